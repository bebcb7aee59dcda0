"""Fashion-MNIST by KerasTuner: a search on a part of the images, then the best on all of them until the time is up.

The networks are those of hivenas' preset residual, which a user of KerasTuner would have to write, too.

python with_keras_tuner.py Hyperband|BayesianOptimization SEED IMAGES PART CANDIDATES SECONDS
"""

import math
import sys
import time
from typing import Any

import keras
import keras_tuner  # type: ignore[import-not-found]
from keras import layers

from hivenas.config import SpaceConfig
from hivenas.core.nas.space.architecture import Chain
from hivenas.core.nas.space.frame import Frame
from hivenas.core.nas.space.operations import reference_space
from hivenas.core.nas.training.network import build_network

BATCH, RATE, DECAY, AVERAGE, EPOCHS = 64, 0.003, 0.01, 0.999, 4
EPOCHS_OF_HYPERBAND = 26  # of one iteration: 5 networks for 2 epochs, 2 of them for 4; 3 for 4

tuner_name = sys.argv[1]
seed, images, part, candidates, seconds = map(int, sys.argv[2:])
(x, y), _ = keras.datasets.fashion_mnist.load_data()
x, y = x[:images, ..., None], y[:images]
space = SpaceConfig(preset="residual")
reference = reference_space({})


def build(hp: Any, average: bool = False) -> keras.Model:
    operations = tuple(hp.Choice(f"layer_{i}", list(space.choices)) for i in range(space.depth))
    chain = Chain(operations, (0,) * space.depth)
    network = build_network(chain, reference, shape=(28, 28, 1), classes=10, frame=Frame.of(space), seed=seed)
    augmentation = [layers.RandomFlip("horizontal"), layers.RandomTranslation(0.07, 0.07)]
    standardisation = layers.Normalization(mean=72.9, variance=90.0**2)
    model = keras.Sequential([keras.Input((28, 28, 1)), standardisation, *augmentation, network])
    optimizer = keras.optimizers.AdamW(RATE, weight_decay=DECAY, use_ema=average, ema_momentum=AVERAGE)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def cosine(done: float) -> float:
    return RATE * (1 + math.cos(math.pi * min(done, 1.0))) / 2


given: dict[str, Any] = {"objective": "val_accuracy", "seed": seed, "directory": "tuner"}
if tuner_name == "Hyperband":
    iterations = max(1, round(candidates * EPOCHS / EPOCHS_OF_HYPERBAND))
    tuner = keras_tuner.Hyperband(build, max_epochs=EPOCHS, hyperband_iterations=iterations, **given)
else:
    tuner = keras_tuner.BayesianOptimization(build, max_trials=candidates, **given)
fit = {"batch_size": BATCH, "validation_split": 0.2, "verbose": 0}
by_epoch = keras.callbacks.LearningRateScheduler(lambda epoch, _: cosine(epoch / EPOCHS))
tuner.search(x[:part], y[:part], epochs=EPOCHS, callbacks=[by_epoch], **fit)

model, began = build(tuner.get_best_hyperparameters()[0], average=True), time.process_time()
by_time = keras.callbacks.LearningRateScheduler(
    lambda epoch, _: cosine((time.process_time() - began) / (seconds - began))
)
averaged = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
best = keras.callbacks.ModelCheckpoint("best.keras", monitor="val_accuracy", save_best_only=True)
model.fit(x, y, epochs=10_000, callbacks=[by_time, averaged, best], **fit)
