"""The choice of the version that bears the alias: a challenger must not be worse on the same test images."""

from __future__ import annotations

from dataclasses import dataclass

import mlflow
from mlflow.entities.model_registry import ModelVersion

from hivenas.config.metrics import label_of
from hivenas.core.records import Direction
from hivenas.core.tracked import Published, ServableModel

PREVIOUS = "previous"
PROMOTED = "hivenas.promoted"
_VERDICT = "hivenas.promotion"
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
    if champion is None:
        return _Verdict(True, "there was none before")
    kept = f"version {champion.version} is kept as {PREVIOUS}"
    if model.promote == "always":
        return _Verdict(True, f"registry.promote is always; {kept}")
    key = _FIGURE.format(model.metric)
    unlike = _not_comparable(challenger, champion, key)
    if unlike:
        return _Verdict(False, f"{unlike}, so the two cannot be compared; registry.promote=always promotes anyway")
    mine, its = (float(each.tags[key]) for each in (challenger, champion))
    places = 6 if mine != its and f"{mine:.4f}" == f"{its:.4f}" else 4
    label = label_of(model.metric)
    figures = f"the test {label} {mine:.{places}f} is {{}} the {its:.{places}f} of version {champion.version}"
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
    if champion.tags[_TEST_DATA] != challenger.tags[_TEST_DATA]:
        return f"version {champion.version}, which is, was tested on other images"
    return ""
