"""Remarks on data that can be trained on and will mislead: one class that drowns the others, labels that a split lacks,
images in two splits or images that are all one picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hivenas.config.text import listed
from hivenas.core.nas.data.image_arrays import Labels
from hivenas.core.nas.data.stored_images import Images
from hivenas.core.nas.data.values import are_alike, classes_alike
from hivenas.wording import number_of

_COMMON = 0.8  # of the training images; one class with more of them makes accuracy say little
_SHOWN = 5  # classes that are named


@dataclass(frozen=True, slots=True)
class LabelledSplit:
    """The images and labels of a split."""

    x: Images
    y: Labels


def remarks(
    train: LabelledSplit, val: LabelledSplit, test: LabelledSplit, names: Sequence[str], labels: Sequence[str] = ()
) -> list[str]:
    """Everything that is worth a line before data are trained on.

    Args:
        train: the training split.
        val: the validation split.
        test: the test split.
        names: of the classes; none where labels are no classes.
        labels: names of the labels of which an image may have several; none in other tasks.
    """
    return [
        *(_imbalance(train.y, test.y, names) if names else ()),
        *(_lacking({"training": train.y, "validation": val.y, "test": test.y}, labels) if labels else ()),
        *_shared(train.x, val.x, test.x),
        *_one_picture(train, {"validation": val.x, "test": test.x}, names),
    ]


def _imbalance(train: Labels, test: Labels, names: Sequence[str]) -> list[str]:
    counts = np.bincount(train, minlength=len(names))
    common = int(counts.argmax())
    share = counts[common] / counts.sum()
    if share <= _COMMON:
        return []
    others = [int(code) for code in np.argsort(counts, kind="stable") if code != common]
    rare = listed([f"{names[code]!r} ({number_of(counts[code], 'image')})" for code in others], _SHOWN)
    return [
        f"{100 * share:.1f} % of the training images are of class {names[common]!r}, rare are {rare}: always "
        f"answering {names[common]!r} has a test accuracy of {(test == common).mean():.4f}, so look for another figure "
        "(evaluation.fitness: balanced_accuracy, evaluation.class_weight: balanced), judge networks by the confusion "
        "matrix too, or add images of the rare classes"
    ]


def _lacking(splits: Mapping[str, Labels], names: Sequence[str]) -> list[str]:
    """Labels of which a split has no image: it is drawn whatever they are, so that rare ones may all be elsewhere."""
    found = []
    for split, y in splits.items():
        lacked = [repr(names[column]) for column in np.flatnonzero(~y.any(axis=0)).tolist()]
        found += [f"{listed(lacked, _SHOWN)} in the {split} split"] if lacked else []
    if not found:
        return []
    return [
        f"labels without an image are {', '.join(found)}: figures of such a split say nothing of them, and f1_labels "
        "counts each as 0; add images of them, or give splits that have some"
    ]


def _shared(train: Images, val: Images, test: Images) -> list[str]:
    """Images of one split that are in another, pixel by pixel: they are remembered, not recognised."""
    known = _fingerprints(train)
    validation, tested = _fingerprints(val), _fingerprints(test)
    in_val = int(np.isin(validation, np.concatenate([known, tested])).sum())
    in_test = int(np.isin(tested, np.concatenate([known, validation])).sum())
    if not in_val and not in_test:
        return []
    return [
        f"{in_test} of {number_of(len(test), 'test image')} and {in_val} of {number_of(len(val), 'validation image')} "
        "are, pixel by pixel, also among those of another split, so that accuracies flatter; keep one of each, or all "
        "of them in one split"
    ]


def _fingerprints(images: Images) -> NDArray[np.uint64]:
    hashes = (hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8).digest() for image in images)
    return np.frombuffer(b"".join(hashes), dtype=np.uint64)


def _one_picture(train: LabelledSplit, others: Mapping[str, Images], names: Sequence[str]) -> list[str]:
    """Splits, and classes of the training split, in which all of several images are one picture."""
    splits = [f"the {name} split" for name, x in others.items() if len(x) > 1 and are_alike(x)]
    found = splits + [f"class {names[code]!r}" for code in (classes_alike(train.x, train.y) if names else ())]
    if not found:
        return []
    return [f"all images of {listed(found, _SHOWN)} are the same picture; look at what was saved in them"]
