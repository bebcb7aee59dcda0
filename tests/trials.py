"""Trials that are made up, for tests of what is done with records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from hivenas.core.measured import SPENT
from hivenas.core.records import Candidate, EpochFigures, Evaluation, Proposal, Trial

_PROPOSED = {field.name for field in fields(Proposal)} - {"momentum_epochs"}


def trial(index: int, fitness: float = 0.5, candidate: Candidate = "input|a|output", **more: Any) -> Trial:
    """A scout's trial in the first iteration that is complete, unless more is said; see `changed`."""
    proposal = Proposal(index, 0, "scout", 0, candidate)
    return changed(Trial(proposal, Evaluation(candidate, "complete", fitness)), **more)


def changed(made: Trial, **more: Any) -> Trial:
    """A trial with other fields, wherever it has them: those of its proposal, of its evaluation, and `run_id`.

    `curve` stands for the validation accuracy by epoch. With `phase="momentum"` it is a continuation, by an epoch
    unless `momentum_epochs` says otherwise.
    """
    run_id, phase, curve = more.pop("run_id", made.run_id), more.pop("phase", ""), more.pop("curve", None)
    if curve is not None:
        more["history"] = tuple(EpochFigures(epoch, 1.0, 0.5, 1.0, accuracy) for epoch, accuracy in curve.items())
    proposed = {name: value for name, value in more.items() if name in _PROPOSED}
    figures = {name: value for name, value in more.items() if name not in _PROPOSED or name == "candidate"}
    if phase == "momentum":
        proposed["momentum_epochs"] = figures.get("momentum_epochs", 1)
    return Trial(replace(made.proposal, **proposed), replace(made.evaluation, **figures), run_id)


def unspent(extra: Mapping[str, Any]) -> dict[str, Any]:
    """The further figures of an evaluation without what it took, which differs from run to run as its seconds do."""
    return {key: value for key, value in extra.items() if key != SPENT}
