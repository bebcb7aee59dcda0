"""Values as Python has them, of what numpy and paths have in their places."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any


def python_values(value: Any) -> Any:
    """A value without numpy's numbers and arrays and without paths, in mappings and lists too.

    Args:
        value: anything; what is none of these stays as it is, as does all of what holds itself.
    """
    try:
        return _python(value)
    except RecursionError:
        return value


def _python(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_python(key): _python(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_python(each) for each in value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    # numpy's are told by what they can do: a configuration is read without numpy.
    is_numpys = hasattr(value, "tolist") and hasattr(value, "dtype") and not isinstance(value, type)
    return value.tolist() if is_numpys else value
