"""Waiting for a peer that may stay silent, without missing a cancel or a deadline meanwhile."""

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

# A cancel is noticed within a second, and the caller's check (a database or Redis query) runs twice a second at most.
CHECK_EVERY_S = 0.4


class Cancelled(Exception):
    """Somebody asked for the work to stop, and it did."""


class DeadlinePassed(Exception):
    """The work took longer than it may; callers say so in their own words."""


class _End:
    """The last thing a source gives: why it ended."""

    def __init__(self, problem: BaseException | None) -> None:
        self.problem = problem


def never() -> bool:
    """The `cancelled` of work that nobody can cancel."""
    return False


class Poll:
    """Raises `Cancelled` or `DeadlinePassed` when due; calls `cancelled` no more often than is useful."""

    def __init__(self, cancelled: Callable[[], bool], deadline: float | None) -> None:
        self._cancelled = cancelled
        self._deadline = deadline
        self._next = 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            raise DeadlinePassed
        if now >= self._next:
            if self._cancelled():
                raise Cancelled
            self._next = time.monotonic() + CHECK_EVERY_S


def watched(
    source: Callable[[], Iterator[T]],
    *,
    cancelled: Callable[[], bool],
    deadline: float | None = None,
    abort: Callable[[], None],
) -> Generator[T, None, None]:
    """What `source()` gives, read in a thread of its own, so that waiting for it can be given up.

    `cancelled` is called from the caller's thread. `deadline` is a `time.monotonic()` value. `abort` is called once
    when the caller stops before the end, for whatever reason; it must make `source` end soon (close its connection).
    Raises `Cancelled`, `DeadlinePassed` and whatever `source` raises.
    """
    feed = _Feed(source)
    threading.Thread(target=feed.run, name="watched", daemon=True).start()
    finished = False
    try:
        yield from _received(feed.items, Poll(cancelled, deadline))
        finished = True
    finally:
        feed.left.set()
        if not finished:
            abort()


class _Feed(Generic[T]):
    """What the thread does: hand over items until the receiver has left."""

    def __init__(self, source: Callable[[], Iterator[T]]) -> None:
        self.items: queue.Queue[T | _End] = queue.Queue(maxsize=16)
        self.left = threading.Event()
        self._source = source

    def run(self) -> None:
        problem: BaseException | None = None
        try:
            for item in self._source():
                if not self._put(item):
                    return
        except BaseException as error:  # raised again in the receiver's thread
            problem = error
        self._put(_End(problem))

    def _put(self, item: T | _End) -> bool:
        while not self.left.is_set():
            try:
                self.items.put(item, timeout=CHECK_EVERY_S)
            except queue.Full:
                continue
            return True
        return False


def _received(items: "queue.Queue[T | _End]", poll: Poll) -> Iterator[T]:
    while True:
        poll()
        try:
            item = items.get(timeout=CHECK_EVERY_S / 2)
        except queue.Empty:
            continue
        if not isinstance(item, _End):
            yield item
        elif item.problem is not None:
            raise item.problem
        else:
            return
