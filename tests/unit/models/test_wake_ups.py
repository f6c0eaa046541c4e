"""Wake-ups over a Redis that is away."""

from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as Away

from models.queue import WakeUps


class AwayRedis(Redis):
    """Counts who asks it in vain."""

    asked = 0

    def execute_command(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        raise Away

    def pipeline(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        raise Away


def test_pushes_do_not_wait_again_and_again_for_a_redis_that_is_away() -> None:
    redis = AwayRedis()
    wakeups = WakeUps(redis)
    for number in range(5):
        wakeups.send("deliveries", str(number))
    assert redis.asked == 1
