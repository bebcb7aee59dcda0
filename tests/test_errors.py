from __future__ import annotations

import pickle
from typing import Any

import pytest

from hivenas.errors import (
    ConfigError,
    DiskFullError,
    HivenasError,
    MissingResultsError,
    RepeatableTrainingError,
    WorkerDiedError,
    first_line,
    innermost,
)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (RuntimeError("\n  \n one \n"), "RuntimeError: one"),
        (KeyError("name"), "KeyError: 'name'"),
        (ValueError(" \n"), "ValueError"),
        (SystemExit(3), "SystemExit: 3"),
        (
            RuntimeError("(raised as a result of Query-invoked autoflush; …)\n(psycopg.Error) too long\n[SQL: …"),
            "RuntimeError: (psycopg.Error) too long",
        ),
    ],
)
def test_an_error_is_told_by_its_first_line(error: BaseException, line: str) -> None:
    assert first_line(error) == line


def calling(said: str) -> str:
    """A text as Keras makes it of what a layer said."""
    return (
        f"Exception encountered when calling Mine.call().\n\n\x1b[1m{said}\x1b[0m\n\n"
        "Arguments received by Mine.call():\n  • x=tf.Tensor(shape=(2, 8, 8, 1), dtype=float32)"
    )


def in_code(kind: str, said: str) -> str:
    """A text as AutoGraph makes it of an exception."""
    lines = "".join(f"\n    {line}" for line in f"{kind}: {said}".splitlines())
    return f'in user code:\n\n    File "my_ops.py", line 3, in call\n        raise {kind}("…")\n{lines}\n'


def raised(error: BaseException, *, cause: BaseException | None = None, context: BaseException | None = None) -> Any:
    """An exception as it is after `raise … from cause`, or in the middle of handling another one."""
    error.__context__, error.__cause__ = context, cause
    return error


TENSORFLOW = "{{function_node __wrapped__Reshape_device_/CPU:0}} Input has 128 values, wanted 192 [Op:Reshape] name: "
INFERRING = (
    "Could not automatically infer the output shape / dtype of 'mine' (of type Mine). Either the `Mine.call()` method "
    "is incorrect, or you need to implement the `Mine.compute_output_spec() / compute_output_shape()` method. Error "
    "encountered:\n\n"
)
INNERMOST = [
    (ValueError("one\ntwo"), "ValueError: one"),
    (RuntimeError(calling("no such feature\nsecond line")), "RuntimeError: no such feature"),
    (KeyError(calling("no such feature\nsecond line")), "KeyError: no such feature"),
    (ValueError(in_code("TypeError", "no filters")), "TypeError: no filters"),
    (ValueError(in_code("TypeError", "no filters\nHint: give some")), "TypeError: no filters"),
    (ValueError(in_code("TypeError", calling("no filters"))), "TypeError: no filters"),
    (ValueError(in_code("KeyError", repr(calling("no filters\ntwo")))), "KeyError: no filters"),
    (TypeError("the class could not be made.\n\nconfig={}.\n\nException encountered: lost"), "TypeError: lost"),
    (ValueError(INFERRING + calling("no filters")), "ValueError: no filters"),
    (raised(ValueError(INFERRING + "x"), context=TypeError("no filters")), "TypeError: no filters"),
    (RuntimeError(calling(TENSORFLOW)), "RuntimeError: Input has 128 values, wanted 192"),
    (raised(RuntimeError("failed"), cause=KeyError("a")), "KeyError: 'a'"),
    (raised(RuntimeError("failed"), context=KeyError("a")), "RuntimeError: failed"),
    (raised(RuntimeError(calling("x")), context=raised(OSError("x"), cause=KeyError("a"))), "KeyError: 'a'"),
    (raised(ConfigError("all of it"), cause=KeyError("a")), "ConfigError: all of it"),
]


@pytest.mark.parametrize(("error", "line"), INNERMOST, ids=[line for _, line in INNERMOST])
def test_a_failure_is_told_by_the_exception_with_which_it_began(error: BaseException, line: str) -> None:
    assert innermost(error) == line


def test_exceptions_that_cause_each_other_have_an_end() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert innermost(one) == "ValueError: other"


@pytest.mark.parametrize(
    "kind", [RepeatableTrainingError, DiskFullError, WorkerDiedError, MissingResultsError, ConfigError]
)
def test_an_error_survives_the_way_from_a_worker(kind: type[HivenasError]) -> None:
    again = pickle.loads(pickle.dumps(kind("no space in x; make some")))
    assert (type(again), str(again)) == (kind, "no space in x; make some")
