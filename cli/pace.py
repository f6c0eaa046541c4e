"""How long a client is waited for that sends a request's body slowly."""

from dataclasses import dataclass

SLOW = 64 << 10
"""Bytes a second below which a client is slow: nobody else waits for it, but that is no reason to give it up."""
LOOK_S = 0.5
"""Seconds of waiting after which it is known whether a client is slow."""
HURRY = 10
"""How many times faster patience ends while many clients are waited for."""


@dataclass(frozen=True)
class Patience:
    """Seconds that a client may let us wait, and the bytes a second by which it earns them back."""

    seconds: float
    rate: int


class Pace:
    """One client's account: waiting uses up its seconds, bytes earn them back, but never more than it began with.

    So a client that is slower than `rate` for good is given up after a while, and so is one that stops, whatever it has
    sent before; one that stops now and then is not.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._left_s = patience.seconds
        self._waited_s = 0.0
        self._received = 0
        self.slow = False

    def note(self, waited_s: float, received: int, *, crowded: bool = False) -> bool:
        """After so many seconds of waiting came so many bytes; whether to go on."""
        self._left_s -= waited_s * HURRY if crowded else waited_s
        self._left_s = min(self._patience.seconds, self._left_s + received / self._patience.rate)
        self._waited_s += waited_s
        self._received += received
        if self._waited_s >= LOOK_S:
            self.slow = self._received < SLOW * self._waited_s
            self._waited_s, self._received = 0.0, 0
        return self._left_s > 0
