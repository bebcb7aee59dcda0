"""Names that things have elsewhere, and what they are called here: for those who write them by habit."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

_BEES = ("guided", "canonical")
_EVOLUTION = ("evolution",)
_RATES = ("initial_lr", "learning_rate")
_OFF = ("none", "never", "constant")
_TYPE = ("kind", "op", "preset")
# In small letters, with the names here, of which those count that there are where the word stands.
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    # keys
    "lr": _RATES,
    "learning_rate": _RATES,
    "learningrate": _RATES,
    "base_lr": _RATES,
    "max_lr": _RATES,
    "min_lr": ("final_lr",),
    "end_lr": ("final_lr",),
    "lr_schedule": ("schedule",),
    "lr_scheduler": ("schedule",),
    "scheduler": ("schedule",),
    "batch": ("batch_size",),
    "bs": ("batch_size",),
    "wd": ("weight_decay",),
    "metric": ("fitness",),
    "metrics": ("fitness",),
    "early_stopping": ("stopping", "patience"),
    "name": (*_TYPE, "model", "study"),
    "type": _TYPE,
    "optimizer": ("op",),
    "strategy": ("kind",),
    "algorithm": ("kind",),
    "population": ("size",),
    "population_size": ("size",),
    "pop_size": ("size",),
    "bees": ("size", *_BEES),
    "limit": ("abandonment_limit",),
    "cycles": ("iterations",),
    "generations": ("iterations",),
    "layers": ("depth",),
    "max_parameters": ("max_params",),
    "max_flops": ("max_macs",),
    "flops": ("macs",),
    "size": ("image_size", "params"),
    "dir": ("path",),
    "directory": ("path", "dir"),
    "folder": ("path", "dir"),
    "file": ("path",),
    "jobs": ("workers",),
    "n_jobs": ("workers",),
    "processes": ("workers",),
    # metrics and losses
    "acc": ("accuracy",),
    "f1": ("f1_macro", "f1_labels"),
    "f1_score": ("f1_macro", "f1_labels"),
    "loss": ("log_loss",),
    "auroc": ("auc",),
    "map": ("average_precision",),
    "r_squared": ("r2",),
    "mse": ("mean_squared_error", "rmse"),
    "ce": ("cross_entropy", "log_loss"),
    "nll": ("cross_entropy", "log_loss"),
    "cross_entropy": ("log_loss",),
    "categorical_crossentropy": ("cross_entropy", "log_loss"),
    "sparse_categorical_crossentropy": ("cross_entropy", "log_loss"),
    "bce": ("binary_cross_entropy",),
    # strategies and schedules
    "abc": _BEES,
    "bee": _BEES,
    "bee_colony": _BEES,
    "artificial_bee_colony": _BEES,
    "bayesian": ("guided",),
    "genetic": _EVOLUTION,
    "ga": _EVOLUTION,
    "rs": ("random",),
    "cosine_annealing": ("cosine",),
    "fixed": ("constant",),
    # numbers and switches
    "half": ("float16", "bfloat16"),
    "mixed": ("float16", "bfloat16"),
    "fp16": ("float16",),
    "bf16": ("bfloat16",),
    "fp32": ("float32",),
    "off": _OFF,
    "false": _OFF,
    "null": _OFF,
    "true": ("all",),
}


def meant(word: str, known: Collection[str]) -> list[str]:
    """The names here of what is called something else elsewhere; empty where the word is nobody's name for any.

    Args:
        word: as it was given, in whatever case, its parts joined by _, - or a space.
        known: the names that there are where it stands.

    Examples:
        >>> meant("LR", ("epochs", "initial_lr"))
        ['initial_lr']
    """
    return [name for name in OTHER_NAMES.get(re.sub(r"[\s-]+", "_", word.lower()), ()) if name in known]
