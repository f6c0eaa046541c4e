"""How many requests are worked on at once, whatever number of clients is being waited for."""

import threading

WAITING = 256
"""Threads of a web process beyond WEB_THREADS: for clients that are waited for, or take their answers slowly."""


class Slots:
    """As many as there may be requests at work; `free` ones, and how many clients are being waited for.

    `crowd`: how many of these there may be without any hurry.

    A request has a slot while the application works on it, and none while it waits for a slow client: so slow clients
    cost threads that wait, of which there are many, and not those that work.
    """

    def __init__(self, count: int, *, crowd: int) -> None:
        self.free = count
        self.waiting = 0
        self._crowd = crowd
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._take()

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._give()

    def give_up(self) -> None:
        """Let another request have the slot while a client is waited for."""
        with self._changed:
            self.waiting += 1
            self._give()

    def take_back(self) -> None:
        """Go on as soon as there is a slot."""
        with self._changed:
            self._take()
            self.waiting -= 1

    @property
    def crowded(self) -> bool:
        """Whether so many clients are waited for that they have to hurry."""
        return self.waiting > self._crowd

    def _take(self) -> None:
        while not self.free:
            self._changed.wait()
        self.free -= 1

    def _give(self) -> None:
        self.free += 1
        self._changed.notify()
