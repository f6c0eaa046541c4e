"""Being asked to stop, at any moment, by a signal."""

import os
import select
import signal


class Stop:
    """A flag that signal handlers may set, unlike threading.Event: what they interrupt may hold the lock of that."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def __del__(self) -> None:
        os.close(self._reader)
        os.close(self._writer)

    def set(self) -> None:
        if not self.is_set():
            os.write(self._writer, b"\n")

    def is_set(self) -> bool:
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, at most so long; whether it is."""
        return bool(select.select([self._reader], [], [], seconds)[0])

    def on(self, *signals: signal.Signals) -> None:
        """Be set by these signals from now on."""
        for number in signals:
            signal.signal(number, lambda *_: self.set())
