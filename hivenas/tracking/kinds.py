"""From `tracking` to a tracker: hivenas' own, and those that users register."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from hivenas.config import TRACKER_KINDS, Config
from hivenas.config.registry import TRACKERS, ClassRule, import_callable
from hivenas.core.collector import without_collector
from hivenas.core.tracker import NullTracker, Publisher, Tracker

T = TypeVar("T", bound=type[Any])

# Where the class is, which is imported when it is used.
_KINDS: Mapping[str, str] = {
    "mlflow": "hivenas.tracking.mlflow_tracker:MlflowTracker",
    "none": "hivenas.core.tracker:NullTracker",
}
_RULE = ClassRule(
    kind="tracker",
    methods=tuple(name for name, each in vars(NullTracker).items() if inspect.isfunction(each) and name[0] != "_"),
    constructor="(name, *, home, command, publisher)",
    accepts=((("",), {"home": "", "command": "", "publisher": None}),),
    way_out="add them, or derive from hivenas.NullTracker",
)


def make_tracker(
    config: Config, *, home: str = "", command: str = "hivenas", publisher: Publisher | None = None
) -> Tracker:
    """The configured tracker of a search, or of single calls from Python.

    Args:
        config: names the kind of tracker (`tracking`) and the search.
        home: run under which children are nested where there is no other parent; empty for none.
        command: what runs name as their source.
        publisher: publishes a model where networks can be loaded; None where nothing is published.
    """
    tracker: Tracker = _class_for(config.tracking)(config.name, home=home, command=command, publisher=publisher)
    return tracker


def _class_for(name: str) -> Callable[..., Any]:
    if name in TRACKERS:
        return TRACKERS[name]
    with without_collector():
        return import_callable(_KINDS[name])


@overload
def register_tracker(name: str) -> Callable[[T], T]: ...
@overload
def register_tracker(name: str, tracker: T) -> T: ...
def register_tracker(name: str, tracker: T | None = None) -> T | Callable[[T], T]:
    """Makes a tracker of one's own known as `tracking`; without a class, a decorator of one.

    Args:
        name: letters, digits and _.
        tracker: a class with the methods of `Tracker`, whose constructor takes `(name, *, home, command, publisher)`;
            one derived from `NullTracker` needs only those that it is for.

    Returns:
        The class.

    Raises:
        ConfigError: not a name, one that is taken, or not such a class.
    """
    return TRACKERS.register(name, tracker, TRACKER_KINDS, _RULE.check)
