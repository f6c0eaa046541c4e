"""A thread that answers pushes, together those that have come in the meantime."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from registry.v2.hot import HotAnswer, HotRequest
from registry.v2.hot_pushes import HotPushes

log = logging.getLogger(__name__)

MOST = 32
"""Pushes that may share a transaction, so that none waits for long."""


class Pushed(NamedTuple):
    """A request, as received on a connection at `began`; and the answer, None where gunicorn shall give it."""

    connection: Any
    request: HotRequest
    received: bytes
    began: float
    answer: HotAnswer | None = None


class PushThread:
    """Takes pushes by `put` and gives them back, answered, to `done`, which it calls. It touches no connection."""

    def __init__(self, pushes: HotPushes, done: Callable[[list[Pushed]], None]) -> None:
        self._pushes = pushes
        self._done = done
        self._waiting: queue.SimpleQueue[Pushed] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="pushes", daemon=True).start()

    def put(self, push: Pushed) -> None:
        self._waiting.put(push)

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < MOST and not self._waiting.empty():
                batch.append(self._waiting.get())
            self._done([push._replace(answer=answer) for push, answer in zip(batch, self._answers(batch), strict=True)])

    def _answers(self, batch: list[Pushed]) -> list[HotAnswer | None]:
        try:
            return self._pushes.answer([push.request for push in batch])
        except Exception:  # a defect: the views try, and this thread lives on
            log.exception("the hot path of pushes failed")
            return [None] * len(batch)
