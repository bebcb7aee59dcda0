# Fashion-MNIST by hivenas: a search on a part of the images, then the best on all of them.
# CONFIG is conf/fashion_mnist_full.yaml, SETTINGS holds the seed, PART is 6000.
hivenas search --config "$CONFIG" --set "$SETTINGS full_train.enabled=false dataset.train_limit=$PART"
hivenas train --config "$CONFIG" --set "$SETTINGS" --json
