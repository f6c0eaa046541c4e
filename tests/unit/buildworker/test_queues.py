"""The names of queues, which stand in a file that imports nothing, against those that work is put into."""

from buildworker.queues import EVERY, FORKED, SHORT
from models import build_queue, deliveries


def test_every_queue_that_is_written_to_is_worked_on() -> None:
    assert build_queue.QUEUE in FORKED
    assert deliveries.QUEUE in SHORT
    assert sorted(EVERY) == sorted({*FORKED, *SHORT})
