from collections.abc import Callable

from models.remembered import Remembered


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


def test_what_is_made_at_the_same_moment_counts_under_its_own_stamp() -> None:
    maker = Maker(Remembered())
    slow = maker.find("a", "1", meanwhile=lambda: maker.find("a", "2"))

    assert maker.find("a", "2") != slow
    assert maker.find("a", "2") == maker.find("a", "2")


def test_the_longest_unused_is_forgotten_first() -> None:
    maker = Maker(Remembered(most_bytes=25))
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
    assert Maker(Remembered(most_bytes=10)).find("a", "1") == b"%010d" % 1
