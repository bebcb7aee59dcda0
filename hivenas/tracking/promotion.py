"""The choice of the version that bears the alias: a challenger must not be worse on the same test images.

It must also reach what `registry.promote_if` asks for, as by the thresholds of `mlflow.validate_evaluation_results`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import mlflow
from mlflow.entities.model_registry import ModelVersion

from hivenas.config.metrics import figure_recorded, figure_told, label_of
from hivenas.config.promotion import PromotionThreshold
from hivenas.config.text import shown
from hivenas.core.publication import Published, ServableModel
from hivenas.core.records import Direction
from hivenas.core.rounding import reaches

PREVIOUS = "previous"
PROMOTED = "hivenas.promoted"
_VERDICT = "hivenas.promotion"
_SIX_PLACES = re.compile(r"-?\d+\.\d{6}")
_FIGURE, _TEST_DATA = "hivenas.test_{}", "hivenas.test_data"


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The decision to promote a version or not, and the reason."""

    promoted: bool
    reason: str


def promote(model: ServableModel, number: str) -> Published:
    """Decides whether a registered version gets the alias, once; what a process that was killed has begun is finished.

    The version's tag `hivenas.promotion` says what was decided before any alias moves, `hivenas.promoted` (true or
    false) that nothing is left to do: whoever moves an alias by hand after that has the last word.

    Args:
        model: what was registered, with the tags of its origin on the version.
        number: of the version.
    """
    client = mlflow.MlflowClient()
    assert model.name
    version = client.get_model_version(model.name, number)
    if PROMOTED not in version.tags:
        promoted = _settle(client, model, version) if model.alias else _keep(client, model, version)
        if model.second_alias:
            client.set_registered_model_alias(model.name, model.second_alias, number)
        client.set_model_version_tag(model.name, number, PROMOTED, str(promoted).lower())
    return published(client, model.name, number)


def published(client: mlflow.MlflowClient, name: str, number: str) -> Published:
    """The outcome of a version's publication, as the registry has it."""
    version = client.get_model_version(name, number)
    verdict = version.tags.get(_VERDICT, "registered")
    borne = [alias for alias in sorted(version.aliases) if alias != PREVIOUS]
    # Of two the one that was decided on: the other may be another version's tomorrow.
    alias = next((each for each in borne if verdict.startswith(f"the {each}:")), next(iter(borne), ""))
    where = f"models:/{name}@{alias}" if alias else f"models:/{name}/{number}"
    return Published(where, f"version {number} of {name} is {verdict}")


def _keep(client: mlflow.MlflowClient, model: ServableModel, version: ModelVersion) -> bool:
    """Says what a version is that is no challenger."""
    client.set_model_version_tag(
        model.name, version.version, _VERDICT, f"the {model.second_alias}: the smallest about as good as the best"
    )
    return False


def _settle(client: mlflow.MlflowClient, model: ServableModel, version: ModelVersion) -> bool:
    """Moves the aliases where the version is to be promoted; returns whether it is."""
    bearer = _bearer(client, model)
    while bearer != str(version.version):
        champion = client.get_model_version(model.name, bearer) if bearer else None
        verdict = _verdict(model, version, champion)
        said = f"{'the' if verdict.promoted else 'not the'} {model.alias}: {verdict.reason}"
        client.set_model_version_tag(model.name, version.version, _VERDICT, said)
        if not verdict.promoted:
            return False
        # Another search may have promoted its own in the meantime: then the comparison is with that one.
        before, bearer = bearer, _bearer(client, model)
        if bearer == before:
            if champion:
                client.set_registered_model_alias(model.name, PREVIOUS, bearer)
            client.set_registered_model_alias(model.name, model.alias, version.version)
            return True
    return True


def _bearer(client: mlflow.MlflowClient, model: ServableModel) -> str:
    """The version that has the alias; empty for none."""
    aliases = client.get_registered_model(model.name).aliases
    return str(aliases[model.alias]) if model.alias in aliases else ""


def _verdict(model: ServableModel, challenger: ModelVersion, champion: ModelVersion | None) -> _Verdict:
    if model.promote == "never":
        return _Verdict(False, "registry.promote is never")
    missed = [said for each in model.promote_if if (said := _missed(each, challenger, champion))]
    if missed or champion is None:
        return _Verdict(not missed, " and ".join(missed) or "there was none before")
    kept = f"version {champion.version} is kept as {PREVIOUS}"
    if model.promote == "always":
        return _Verdict(True, f"registry.promote is always; {kept}")
    key = _FIGURE.format(model.metric)
    unlike = _not_comparable(challenger, champion, key)
    if unlike:
        return _Verdict(False, f"{unlike}, so the two cannot be compared; registry.promote=always promotes anyway")
    mine, its = _figures(challenger, champion, key)
    label = label_of(model.metric)
    own, other = _told(mine, its, model.metric), _told(its, mine, model.metric)
    figures = f"the test {label} {own} is {{}} the {other} of version {champion.version}"
    worse = "above" if model.minimize else "below"
    if Direction.of(model.minimize).is_better(its, mine):
        return _Verdict(False, f"{figures.format(worse)} on the same test images")
    return _Verdict(True, f"{figures.format(f'not {worse}')} on the same test images; {kept}")


def _not_comparable(challenger: ModelVersion, champion: ModelVersion, figure: str) -> str:
    """The reason why two test figures do not say which version is better; empty where they do.

    Args:
        challenger: the version that may get the alias.
        champion: the one that has it.
        figure: the tag of the figure.
    """
    missing = [key for key in (figure, _TEST_DATA) if key not in champion.tags]
    if missing:
        return f"version {champion.version}, which is, has no tag {' and no tag '.join(missing)}"
    if not _is_number(champion.tags[figure]):
        return f"version {champion.version}, which is, has the tag {figure} {shown(champion.tags[figure])}, no number"
    if champion.tags[_TEST_DATA] != challenger.tags[_TEST_DATA]:
        return f"version {champion.version}, which is, was tested on other images"
    return ""


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _figures(challenger: ModelVersion, champion: ModelVersion, key: str) -> tuple[float, float]:
    """The figures of two versions under a tag; to six places where one of them has so many.

    So the tags of shares are written, and those of all figures were once: what was cut off decides nothing.
    """
    told = [each.tags[key] for each in (challenger, champion)]
    is_cut = any(map(_SIX_PLACES.fullmatch, told))
    mine, its = (round(float(each), 6) if is_cut else float(each) for each in told)
    return mine, its


def _missed(wanted: PromotionThreshold, challenger: ModelVersion, champion: ModelVersion | None) -> str:
    """The way in which a version misses a threshold of `registry.promote_if`; empty where it does not."""
    key, label = _FIGURE.format(wanted.metric), f"the test {wanted.label or wanted.metric}"
    if key not in challenger.tags:
        return f"{label}, which registry.promote_if asks for, was not measured"
    figure = float(challenger.tags[key])
    direction, worse = Direction.of(wanted.minimize), "above" if wanted.minimize else "below"
    if wanted.threshold is not None and not reaches(direction.score(figure), direction.score(wanted.threshold)):
        told = _told(figure, wanted.threshold, wanted.metric)
        return f"{label} {told} is {worse} the {wanted.threshold:g} of registry.promote_if"
    if wanted.min_improvement is None or champion is None:
        return ""
    if unlike := _not_comparable(challenger, champion, key):
        return f"{unlike}, so its improvement on it cannot be told"
    figure, before = _figures(challenger, champion, key)
    if reaches(direction.score(figure), wanted.min_improvement, over=direction.score(before)):
        return ""
    own, its = _told(figure, before, wanted.metric), _told(before, figure, wanted.metric)
    return (
        f"{label} {own} is not better by {wanted.min_improvement:g} (registry.promote_if) than the {its} of version "
        f"{champion.version}"
    )


def _told(figure: float, other: float, metric: str) -> str:
    """A metric's value with as many places as it takes to tell it from another."""
    told = figure_told(figure, metric)
    is_clear = figure == other or told != figure_told(other, metric)
    return told if is_clear else figure_recorded(figure, metric)
