import threading
import time
from collections.abc import Iterator

import pytest

from buildworker.watch import Cancelled, DeadlinePassed, never, watched


def nothing() -> None: ...


def test_items_arrive_in_order_and_the_end_is_quiet() -> None:
    aborted: list[bool] = []
    found = list(watched(lambda: iter(range(1000)), cancelled=never, abort=lambda: aborted.append(True)))
    assert found == list(range(1000))
    assert aborted == []


def test_what_the_source_raises_is_raised_here() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise KeyError("x")

    messages = watched(source, cancelled=never, abort=nothing)
    assert next(messages) == 1
    with pytest.raises(KeyError):
        next(messages)


@pytest.mark.parametrize("limit", ["cancel", "deadline"])
def test_a_silent_source_is_given_up(limit: str) -> None:
    released = threading.Event()

    def silent() -> Iterator[int]:
        released.wait(20)
        yield 1

    begun = time.monotonic()
    problem = Cancelled if limit == "cancel" else DeadlinePassed
    with pytest.raises(problem):
        list(
            watched(
                silent,
                cancelled=lambda: limit == "cancel" and time.monotonic() - begun > 0.15,
                deadline=begun + 0.15 if limit == "deadline" else None,
                abort=released.set,
            )
        )
    assert time.monotonic() - begun < 1
    assert released.is_set()


def test_a_busy_source_is_given_up_and_cancelled_asked_seldom_and_here() -> None:
    asked: list[threading.Thread] = []

    def busy() -> Iterator[int]:
        while True:
            yield 1

    def cancelled() -> bool:
        asked.append(threading.current_thread())
        return len(asked) == 3

    with pytest.raises(Cancelled):
        for _ in watched(busy, cancelled=cancelled, abort=nothing):
            pass
    assert set(asked) == {threading.current_thread()}


def test_a_receiver_that_leaves_ends_the_source() -> None:
    ended = threading.Event()

    def source() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    messages = watched(source, cancelled=never, abort=nothing)
    next(messages)
    messages.close()
    assert ended.wait(2)
