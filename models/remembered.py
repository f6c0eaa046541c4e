"""What was worked out before and is still true, within bounds: for what is asked again and again and rarely changes.

Whether it is still true tells a stamp, which is looked up in the database each time; nothing is believed for a while.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, NamedTuple, TypeVar

MOST_BYTES = 32 * 1024 * 1024
"""How much one process remembers."""
OVERHEAD = 500
"""What a value takes beside its own bytes, roughly."""
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
        self._making: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def find(self, key: Hashable, stamp: str | None, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value of `key` as of this stamp, made by the first who asks while the others wait.

        Without a stamp it is made anew each time.
        """
        if stamp is None:
            return make()
        kept = self._kept_of(key, stamp)
        if kept is None:
            with self._lock:
                making = self._making.setdefault(key, Lock())
            try:
                with making:
                    kept = self._kept_of(key, stamp) or self._keep(key, stamp, make(), size)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        found: T = kept.value
        return found

    def _kept_of(self, key: Hashable, stamp: str) -> _Kept | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.stamp != stamp:
                return None
            self._kept.move_to_end(key)
            return kept

    def _keep(self, key: Hashable, stamp: str, value: T, size: Callable[[T], int]) -> _Kept:
        new = _Kept(stamp, size(value) + OVERHEAD, value)
        with self._lock:
            old = self._kept.pop(key, None)
            self._size += new.size - (old.size if old else 0)
            self._kept[key] = new
            while self._size > self._most:
                _, forgotten = self._kept.popitem(last=False)
                self._size -= forgotten.size
        return new
