"""The source of a layer of a user's own, for programs and modules that tests write."""

from __future__ import annotations

SCALE = """
@keras.saving.register_keras_serializable("mine")
class Scale(keras.layers.Layer):
    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return self.factor * x

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


register_operation("Scale", Scale)
"""
