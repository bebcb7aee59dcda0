"""Fashion-MNIST by AutoKeras, with all that it does by itself.

python with_autokeras.py SEED IMAGES
"""

import sys

import autokeras  # type: ignore[import-not-found]
from tensorflow import keras

seed, images = map(int, sys.argv[1:])
(x, y), _ = keras.datasets.fashion_mnist.load_data()
classifier = autokeras.ImageClassifier(max_trials=1000, seed=seed)
classifier.fit(x[:images], y[:images], validation_split=0.2, verbose=0)
