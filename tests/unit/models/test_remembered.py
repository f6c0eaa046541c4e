from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from models.remembered import OVERHEAD, Remembered


class Maker:
    """Makes values of ten bytes, each another one."""

    def __init__(self, remembered: Remembered) -> None:
        self.made = 0
        self._remembered = remembered

    def find(self, key: str, stamp: str | None, meanwhile: Callable[[], object] = lambda: None) -> bytes:
        def make() -> bytes:
            meanwhile()
            self.made += 1
            return b"%010d" % self.made

        return self._remembered.find(key, stamp, make, len)


def test_what_has_the_same_stamp_is_made_once() -> None:
    maker = Maker(Remembered())

    assert maker.find("a", "1") == maker.find("a", "1")
    assert maker.find("b", "1") != maker.find("a", "1")
    assert maker.made == 2


def test_what_has_another_stamp_is_made_anew() -> None:
    maker = Maker(Remembered())
    old = maker.find("a", "1")

    assert maker.find("a", "2") != old
    assert maker.find("a", "1") != old
    assert maker.made == 3


def test_without_a_stamp_nothing_is_remembered() -> None:
    maker = Maker(Remembered())

    assert maker.find("a", None) != maker.find("a", None)


def test_what_is_older_than_what_is_kept_counts_under_its_own_stamp() -> None:
    maker = Maker(Remembered())
    maker.find("a", "2")
    older = maker.find("a", "1")

    assert maker.find("a", "2") != older
    assert maker.find("a", "2") == maker.find("a", "2")


def test_the_longest_unused_is_forgotten_first() -> None:
    maker = Maker(Remembered(most_bytes=25 + 2 * OVERHEAD))
    first, _ = maker.find("a", "1"), maker.find("b", "1")
    assert maker.find("a", "1") == first

    maker.find("c", "1")

    assert maker.find("a", "1") == first
    assert maker.made == 3
    maker.find("b", "1")
    assert maker.made == 4


def test_what_is_too_large_is_not_kept_and_pushes_nothing_else_out_for_good() -> None:
    maker = Maker(Remembered(most_bytes=5))

    assert maker.find("a", "1") != maker.find("a", "1")
    assert Maker(Remembered(most_bytes=10 + OVERHEAD)).find("a", "1") == b"%010d" % 1


def test_those_who_ask_at_the_same_moment_wait_for_the_first() -> None:
    maker = Maker(Remembered())
    begun, together = Event(), Event()

    def slow() -> None:
        begun.set()
        together.wait(5)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(maker.find, "a", "1", slow)
        begun.wait(5)
        others = [pool.submit(maker.find, "a", "1", slow) for _ in range(2)]
        together.set()

    assert [each.result() for each in others] == [first.result()] * 2
    assert maker.made == 1


def test_who_waited_for_one_that_failed_makes_it() -> None:
    maker = Maker(Remembered())

    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        maker.find("a", "1", fail)

    assert maker.find("a", "1") == b"%010d" % 1
