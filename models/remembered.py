"""What was worked out before and is still true, within bounds: for what is asked again and again and rarely changes.

Whether it is still true tells a stamp, which is looked up in the database each time; nothing is believed for a while.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, NamedTuple, TypeVar

MOST_BYTES = 32 * 1024 * 1024
"""How much one process remembers."""
T = TypeVar("T")


class _Kept(NamedTuple):
    stamp: str
    size: int
    value: Any


class Remembered:
    """Values by what they tell of, each with its stamp. Of those that do not fit, the longest unused are forgotten."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._size = 0
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._lock = Lock()

    def find(self, key: Hashable, stamp: str | None, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value of `key` as of this stamp. Without a stamp it is made anew each time."""
        if stamp is None:
            return make()
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept.stamp == stamp:
                self._kept.move_to_end(key)
                found: T = kept.value
                return found
        value = make()
        self._keep(key, _Kept(stamp, size(value), value))
        return value

    def _keep(self, key: Hashable, new: _Kept) -> None:
        with self._lock:
            old = self._kept.pop(key, None)
            self._size += new.size - (old.size if old else 0)
            self._kept[key] = new
            while self._size > self._most:
                _, forgotten = self._kept.popitem(last=False)
                self._size -= forgotten.size
