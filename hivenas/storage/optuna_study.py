"""A second record of a search in Optuna's storage: a trial an evaluation, from which alone the search can go on."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hivenas.config import Config, from_record
from hivenas.config.costs import Cost
from hivenas.config.text import masked, parse_yaml
from hivenas.core.candidates import python_number
from hivenas.core.folder import ResultsFolder
from hivenas.core.front import cost_of
from hivenas.core.objective import ObjectiveInfo
from hivenas.core.parameters import Parameters
from hivenas.core.recipe import package_version
from hivenas.core.records import Direction, Trial
from hivenas.errors import ConfigError, ResultsExistError, StorageDeniedError
from hivenas.storage.export import REQUIRED, as_columns, from_columns
from hivenas.storage.optuna_storage import (
    claimed,
    joined_text,
    open_storage,
    translate_storage_errors,
    write_text,
)
from hivenas.storage.owner import Owner, OwnerCondition, condition_of
from hivenas.storage.resumption import difference, fixed_keys
from hivenas.wording import number_of

_LATER = "the results folder has everything, and what is missing here is added once the storage works again"

_UID, _STATE, _CONFIG = "hivenas.uid", "hivenas.state", "hivenas.config"
_CONFIG_HASH, _SPACE_HASH, _VERSION = "hivenas.config_hash", "hivenas.space_hash", "hivenas.version"
_FOLDER = "hivenas.folder"
_STATES = {
    "complete": TrialState.COMPLETE,
    "paused": TrialState.PRUNED,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A search as a study holds it.

    Args:
        uid: the search's own id, for `MirrorStudy.begin`.
        state: the search's state as it was last saved; empty where none was.
        trials: the evaluations, in their order; there may be more than the state knows of.
        config_yaml: the resolved configuration, without a password in `optuna.storage`.
    """

    uid: str
    state: dict[str, Any]
    trials: list[Trial]
    config_yaml: str


class MirrorStudy:
    """A search's study in Optuna's storage; make it with `open_study`.

    First `recorded` and `refuse_other` where a search is resumed, then `begin`, then `sync` as often as wanted.

    Args:
        config: the resolved configuration.
        info: how candidates read as parameters, and where a better fitness lies.
        storage: where the study is kept.
    """

    def __init__(self, config: Config, info: ObjectiveInfo, storage: BaseStorage) -> None:
        self.name = config.optuna.study or config.name
        self._address = config.optuna.storage or ""
        self.shown = masked(self._address)
        self._config = config
        self._folder = ResultsFolder(config.results.dir, config.name)
        parameters = info.parameters or Parameters(lambda candidate: {})
        self._parameters = parameters
        self._costs = config.objectives.costs
        self._directions = _directions(info.direction, self._costs)
        self._storage = storage
        self._distributions = _distributions(parameters)
        self._uid = ""
        self._study: Study | None = None
        self._held: set[int] | None = None
        self._complete = 0  # so many rows, from the first, are known to be held

    def recorded(self) -> Recorded | None:
        """The content of the study; None where there is no study, or none of a search.

        Raises:
            StorageError: the storage cannot be reached.
            ResultsExistError: trials of another version, or not all of them.
        """
        with translate_storage_errors(self._address):
            study = self._find()
            attributes = study.user_attrs if study else {}
            if study is None or _UID not in attributes:
                return None
            trials = study.get_trials(deepcopy=False)
        state = joined_text(attributes, _STATE)
        return Recorded(
            attributes[_UID], json.loads(state) if state else {}, self._trials(trials), joined_text(attributes, _CONFIG)
        )

    def refuse_other(self) -> None:
        """Refuses a study of another search; one whose configuration says the same in other words is none.

        Raises:
            ConfigError: names the hashes, and the first key that differs where it can be told.
            StorageError: the storage cannot be reached.
        """
        with translate_storage_errors(self._address):
            study = self._find()
            attributes = study.user_attrs if study else {}
        hashes = self._hashes()
        if all(attributes.get(key, value) == value for key, value in hashes.items()):
            return
        changed = _told_apart(joined_text(attributes, _CONFIG), self._config)
        if not changed and attributes.get(_SPACE_HASH) == hashes[_SPACE_HASH]:
            return
        said = [f"{key.removeprefix('hivenas.')} {attributes.get(key)}, got {hashes[key]}" for key in hashes]
        raise ConfigError(
            f"the study {self.name!r} in {self.shown} belongs to another search ({'; '.join(said)})"
            f"{f': it was started with {changed}' if changed else ''}; resume with its configuration, or choose "
            "another study (--set optuna.study=…)"
        )

    def begin(self, uid: str, *, overwrite: bool, replaces: str = "") -> None:
        """Makes the study of a search, or goes on with it where it is this search's.

        Of two searches that begin a study at the same time exactly one gets it.

        Args:
            uid: the search's own id.
            overwrite: delete a study of another search first, unless that is seen to be running.
            replaces: id of the one other search whose study may be deleted in any case; empty for none.

        Raises:
            ResultsExistError: the study is another search's and not to be overwritten, or not of hivenas at all.
            StorageError: the storage cannot be reached.
        """
        with translate_storage_errors(self._address):
            study = self._find()
            if study is None or overwrite or study.user_attrs.get(_UID) != uid:
                with claimed(self._storage, self.name):
                    study = self._claim(uid, overwrite, replaces)
            else:
                self._refuse_other_directions(study)
                self._refuse_running(study.user_attrs)
                self._describe(study, uid)
        self._uid, self._study, self._held = uid, study, None

    def refuse_running(self) -> None:
        """Refuses a study whose search is seen to be running in another folder.

        Raises:
            ResultsExistError: names the folder.
            StorageError: the storage cannot be reached.
        """
        with translate_storage_errors(self._address):
            if study := self._find():
                self._refuse_running(study.user_attrs)

    def _claim(self, uid: str, overwrite: bool, replaces: str) -> Study:
        study = self._find()
        if study is not None and self._is_to_go(study, uid, overwrite, replaces):
            optuna.delete_study(study_name=self.name, storage=self._storage)
            study = None
        if study is None:
            study = optuna.create_study(study_name=self.name, storage=self._storage, directions=self._directions)
        self._refuse_other_directions(study)
        self._describe(study, uid)
        return study

    def _describe(self, study: Study, uid: str) -> None:
        # The id comes first: a study that has it is this search's, whatever happens to the rest.
        described = {_UID: uid, _FOLDER: Owner.of(self._folder).text(), _VERSION: package_version("hivenas")}
        for key, value in (described | self._hashes()).items():
            study.set_user_attr(key, value)
        write_text(study, _CONFIG, self._config.to_yaml())

    def sync(self, trials: Sequence[Trial], state: Mapping[str, Any]) -> int:
        """Adds the trials that the study does not hold yet, in order, and then saves the state.

        Args:
            trials: every evaluation of the search so far.
            state: the search's state, plain JSON.

        Returns:
            How many trials were added. After an error another call completes what is missing, no row twice.

        Raises:
            StorageError: the storage fails, or the study is not this search's any more.
        """
        if self._study is None:
            raise RuntimeError("the study must be begun before it is synchronised; call begin first")
        try:
            with translate_storage_errors(self._address, _LATER):
                return self._add(self._study, trials, json.dumps(state, default=python_number))
        except BaseException:
            self._held = None  # whether the last trial is in, only the study knows
            raise

    def close(self) -> None:
        """Lets go of the connections."""
        if isinstance(self._storage, RDBStorage):
            self._storage.remove_session()
            self._storage.engine.dispose()

    def _add(self, study: Study, trials: Sequence[Trial], state: str) -> int:
        # Read before anything is written: a storage that is away fails here at once, without Optuna's own tries.
        try:
            uid = study.user_attrs.get(_UID)
        except KeyError:
            uid = None
        if uid != self._uid:
            raise StorageDeniedError(
                f"the study {self.name!r} in {self.shown} must be this search's ({self._uid}), got "
                f"{'another in its place' if uid else 'none, as it was deleted'}; choose another study and resume "
                "(--set optuna.study=…)"
            )
        if self._held is None:
            held = study.get_trials(deepcopy=False)
            self._complete = 0
            self._held = {trial.user_attrs["index"] for trial in held if _is_of_search(trial)}
        missing = [trial for trial in trials[self._complete :] if trial.index not in self._held]
        for trial in missing:
            study.add_trial(self._frozen(trial))
            self._held.add(trial.index)
        self._complete = len(trials)
        write_text(study, _STATE, state)
        return len(missing)

    def _frozen(self, trial: Trial) -> FrozenTrial:
        values = [trial.fitness, *(cost_of(trial, cost) for cost in self._costs)]
        # Optuna takes no NaN for a value, and few databases an infinite one.
        state = _STATES[trial.status] if all(map(math.isfinite, values)) else TrialState.FAIL
        ended = datetime.fromtimestamp(trial.started + trial.seconds) if trial.started else datetime.now()
        return FrozenTrial(
            number=-1,
            trial_id=-1,
            state=state,
            value=None,
            values=None if state is TrialState.FAIL else values,
            datetime_start=ended - timedelta(seconds=trial.seconds),
            datetime_complete=ended,
            params=dict(self._parameters.values(trial.encoded)),
            distributions=dict(self._distributions),
            user_attrs={name: _plain(value) for name, value in as_columns(trial).items()},
            system_attrs={},
            intermediate_values={epoch: value for epoch, value in trial.accuracies().items() if math.isfinite(value)},
        )

    def _trials(self, held: Sequence[FrozenTrial]) -> list[Trial]:
        trials: dict[int, Trial] = {}
        for each in filter(_is_of_search, held):
            if not each.user_attrs.keys() >= REQUIRED:
                raise ResultsExistError(
                    f"trial {each.number} of the study {self.name!r} in {self.shown} has other attributes than this "
                    "version writes; finish that search with the version that began it, or choose another study "
                    "(--set optuna.study=…)"
                )
            trial = from_columns(each.user_attrs)
            trials.setdefault(trial.index, trial)
        if sorted(trials) != list(range(len(trials))):
            lacking = next(index for index in range(len(trials)) if index not in trials)
            raise ResultsExistError(
                f"the study {self.name!r} in {self.shown} must hold every evaluation of its search, got none with "
                f"the index {lacking}; choose another study (--set optuna.study=…) or delete it (--overwrite)"
            )
        return [trials[index] for index in range(len(trials))]

    def _is_to_go(self, study: Study, uid: str, overwrite: bool, replaces: str) -> bool:
        """Tell if an existing study is deleted before the search begins; raises where it is neither ours nor to go."""
        attributes = study.user_attrs
        count = len(study.get_trials(deepcopy=False))
        if _UID not in attributes:
            if not attributes and not count:
                return True  # nothing but a name, perhaps of a search that ended while it began
            raise ResultsExistError(
                f"{self.shown} holds a study {self.name!r} of {number_of(count, 'trial')} that is not of hivenas, "
                "which is never overwritten; choose another (--set optuna.study=…) or delete it with Optuna"
            )
        condition = self._refuse_running(attributes)
        # Who has no evaluations and is gone leaves no trace.
        if overwrite or attributes[_UID] == replaces or (not count and condition in {"own", "left"}):
            return overwrite or attributes[_UID] != uid
        if attributes[_UID] != uid:
            raise ResultsExistError(
                f"{self.shown} holds the study {self.name!r} of another search with {number_of(count, 'evaluation')}"
                f"{'' if count else f', begun in {_home(attributes)} and perhaps running'}, which is not overwritten "
                "in silence; go on with it (--resume), choose another study (--set optuna.study=…) or delete it "
                "(--overwrite)"
            )
        return False

    def _refuse_running(self, attributes: Mapping[str, Any]) -> OwnerCondition:
        condition = condition_of(Owner.read(attributes.get(_FOLDER, "")), self._folder)
        if condition == "running":
            raise ResultsExistError(
                f"{self.shown} holds the study {self.name!r} of a search that runs in {_home(attributes)}, which is "
                "not taken from it; wait for its end, or choose another study (--set optuna.study=…)"
            )
        return condition

    def _refuse_other_directions(self, study: Study) -> None:
        """Refuses a study that cannot take this search's values."""
        if study.directions != self._directions:
            had, wanted = (
                ", ".join(each.name.lower() for each in sides) for sides in (study.directions, self._directions)
            )
            raise ResultsExistError(
                f"the study {self.name!r} in {self.shown} must have the directions of objectives ({wanted}), got "
                f"{had}; choose another study (--set optuna.study=…) or delete it (--overwrite)"
            )

    def _find(self) -> Study | None:
        try:
            return optuna.load_study(study_name=self.name, storage=self._storage)
        except KeyError:
            return None

    def _hashes(self) -> dict[str, str]:
        keys = fixed_keys(self._config)
        space = {key: value for key, value in keys.items() if key.startswith("space.") or key == "objective"}
        shape = [space, dict(self._parameters.choices), dict(self._parameters.bounds)]
        return {_CONFIG_HASH: _digest(keys), _SPACE_HASH: _digest(shape)}


def open_study(config: Config, info: ObjectiveInfo) -> MirrorStudy:
    """Opens the storage that `optuna.storage` names; nothing is written but the tables that Optuna needs.

    Args:
        config: the resolved configuration.
        info: how candidates read as parameters, and where a better fitness lies.

    Raises:
        ConfigError: no storage, one that cannot be read as an address, or a file that is not Optuna's.
        StorageError: the storage cannot be reached or opened.
    """
    return MirrorStudy(config, info, open_storage(config.optuna.storage or ""))


def _home(attributes: Mapping[str, Any]) -> str:
    owner = Owner.read(attributes.get(_FOLDER, ""))
    return owner.shown() if owner else "an unknown folder"


def _told_apart(before: str, now: Config) -> str:
    """The first key in which the configuration of a study differs; of one that cannot be read nothing can be told."""
    try:
        return difference(from_record(parse_yaml(before, "the study") or {}), now)
    except ConfigError:
        return "a configuration that this version does not read"


def _directions(direction: Direction, costs: Sequence[Cost]) -> list[StudyDirection]:
    """The directions of a study's values: of the fitness, and of the costs that are weighed against it."""
    return [StudyDirection[direction.name], *(StudyDirection.MINIMIZE for _ in costs)]


def _distributions(parameters: Parameters) -> dict[str, BaseDistribution]:
    choices = {name: CategoricalDistribution(choices) for name, choices in parameters.choices.items()}
    return choices | {name: FloatDistribution(*bounds) for name, bounds in parameters.bounds.items()}


def _is_of_search(trial: FrozenTrial) -> bool:
    """Tell if it is a trial of a search; people and tools may add others to a study."""
    return trial.state.is_finished() and {"index", "candidate", "run_id"} <= trial.user_attrs.keys()


def _plain(value: Any) -> str | int | float | None:
    """A column as an attribute: JSON has no word for infinity."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    return value if value is None or isinstance(value, int) else str(value)


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
