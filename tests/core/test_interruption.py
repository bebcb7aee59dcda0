from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from hivenas.core.interruption import ANNOUNCED, defer_signals

BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Both signals raise KeyboardInterrupt, as they do in the commands, and are afterwards what they were."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (*BOTH, *ANNOUNCED)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", BOTH)
def test_an_interruption_waits_for_the_end_of_the_work(number: signal.Signals) -> None:
    done = []

    @defer_signals()
    def work() -> None:
        signal.raise_signal(number)
        # A second one would end the process at once.
        assert {signal.getsignal(each) for each in BOTH} == {signal.SIG_DFL}
        done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the rest"]
    assert {signal.getsignal(each) for each in BOTH} == {signal.default_int_handler}


@pytest.mark.parametrize("number", ANNOUNCED)
def test_the_announcement_of_an_end_waits_too_and_may_come_again(number: signal.Signals) -> None:
    done = []

    @defer_signals()
    def work() -> None:
        signal.raise_signal(number)
        signal.raise_signal(number)
        done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the rest"]
    assert signal.getsignal(number) is signal.default_int_handler


@pytest.mark.parametrize("interrupted", [True, False])
def test_an_interruption_comes_before_the_error_of_the_work(interrupted: bool) -> None:
    @defer_signals()
    def work() -> None:
        if interrupted:
            signal.raise_signal(signal.SIGINT)
        raise ValueError("its own")

    with pytest.raises(KeyboardInterrupt if interrupted else ValueError) as raised:
        work()
    assert isinstance(raised.value.__context__ if interrupted else raised.value, ValueError)
    assert {signal.getsignal(each) for each in BOTH} == {signal.default_int_handler}


def test_the_outermost_work_is_finished() -> None:
    done = []

    @defer_signals()
    def inner() -> None:
        signal.raise_signal(signal.SIGINT)
        done.append("inner")

    @defer_signals()
    def outer() -> None:
        inner()
        done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        outer()
    assert done == ["inner", "outer"]


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_what_is_not_pythons_is_left_alone(handler: signal.Handlers) -> None:
    for number in BOTH:
        signal.signal(number, handler)
    with defer_signals():
        assert {signal.getsignal(number) for number in BOTH} == {handler}
    assert {signal.getsignal(number) for number in BOTH} == {handler}


def test_other_threads_are_left_alone() -> None:
    found: list[object] = []

    def work() -> None:
        with defer_signals():
            found.extend(signal.getsignal(number) for number in BOTH)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler] * 2
