# Fashion-MNIST by hivenas: a search on a part of the images, then the best on all of them.
# CONFIG is conf/fashion_mnist_full.yaml, SETTINGS holds the seed.
hivenas search --config "$CONFIG" --set "$SETTINGS" --json
