"""The database and the S3 server go away in the middle of pushes and come back.

Meanwhile clients are told so by 503, never by anything else, and afterwards nothing is missing. Short in CI;
`STRESS_OUTAGES=20` for figures, which are printed with `-s`.
"""

import os
import random
import time
from collections.abc import Callable

import pytest

from tests.e2e.clients.http import call
from tests.e2e.clients.pusher import Pusher
from tests.e2e.clients.registry import Registry
from tests.services.drydock import Drydock
from tests.services.postgres import Postgres
from tests.services.process import wait_until
from tests.services.s3 import S3
from tests.stress.faults.reports import check_everything, finish, start_pushers, tell

OUTAGES = int(os.environ.get("STRESS_OUTAGES", "3"))


@pytest.mark.parametrize("drydock", ["production"], indirect=True)
def test_servers_that_go_away_and_come_back_cost_nothing_but_time(
    drydock: Drydock, postgres: Postgres, s3: S3, registry: Registry, dice: random.Random
) -> None:
    def crash_database() -> None:
        _without_database(postgres, drydock, registry, dice, immediately=True)

    def kill_s3() -> None:
        s3.kill()
        time.sleep(dice.uniform(0, 1))
        s3.start()

    def restart_database() -> None:
        _without_database(postgres, drydock, registry, dice, immediately=False)

    outages: list[Callable[[], None]] = [crash_database, kill_s3, restart_database]
    pushers = start_pushers(registry, "admin/outages", dice)
    for number in range(OUTAGES):
        _let_push(pushers, dice)
        outages[number % 3]()
    _let_push(pushers, dice)
    finish(pushers)

    tell(f"{OUTAGES} outages", {}, pushers)
    assert any(pusher.failures for pusher in pushers)
    for pusher in pushers:
        # 404: what an S3 server had not put together when it died is unknown to its successor, and so the upload to us.
        assert pusher.failures.keys() <= {"503", "404"}, pusher.bodies
    check_everything(drydock, pushers)


def _let_push(pushers: list[Pusher], dice: random.Random) -> None:
    """Until every client has pushed something more, and some moment longer."""
    before = [pusher.pushed for pusher in pushers]
    wait_until(lambda: all(now.pushed > then for now, then in zip(pushers, before, strict=True)), seconds=60)
    time.sleep(dice.uniform(0, 0.5))


def _without_database(
    postgres: Postgres, drydock: Drydock, registry: Registry, dice: random.Random, *, immediately: bool
) -> None:
    postgres.stop(immediately=immediately)
    refused = registry.call("GET", "admin/outages-0", "tags/list").expect(503)
    assert refused.json["errors"][0]["message"] == "the database does not answer"
    assert refused.headers["Retry-After"]
    refused = call("GET", f"{drydock.url}/api/v1/user/", headers={"Authorization": "Bearer some-token"})
    assert refused.expect(503).json["status"] == 503
    time.sleep(dice.uniform(0, 1))
    postgres.start()
