"""What is looked at after every fault, and how it is told."""

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from config.load import load_settings
from config.secrets import ensure_secrets
from models.quota_audit import audit_usage
from registry.collection.terms import Terms
from registry.fsck import check
from registry.gc import collect
from registry.services import Services, open_services
from tests.e2e.clients.pusher import Pusher
from tests.e2e.clients.registry import Registry
from tests.services.drydock import Drydock
from tests.services.process import wait_until

PROTECTION_S = 3
"""For how long what was just pushed is kept in these installations."""

PUSHERS = 4


def start_pushers(registry: Registry, name: str, dice: random.Random) -> list[Pusher]:
    """Clients at work, two in each repository: `name-0` and `name-1`."""
    pushers = [
        Pusher(
            registry.at(registry.url), f"{name}-{number // 2}", random.Random(dice.random()), protection_s=PROTECTION_S
        )
        for number in range(PUSHERS)
    ]
    for pusher in pushers:
        pusher.start()
    return pushers


def finish(pushers: Sequence[Pusher]) -> None:
    """Let the clients end what they do."""
    for pusher in pushers:
        pusher.ended.set()
    for pusher in pushers:
        pusher.join(120)
        assert not pusher.is_alive()


def check_everything(drydock: Drydock, pushers: Sequence[Pusher]) -> None:
    """Whatever was acknowledged can be pulled, no bytes or rows are missing, and what is used is counted right."""
    until = time.monotonic() + PROTECTION_S
    wait_until(drydock.is_well, seconds=30)
    with opened(drydock) as services:  # what `drydock quota audit`, `drydock gc` and `drydock fsck --deep` do
        assert [one for one in audit_usage(services.database) if one.drift] == []
        time.sleep(max(0.0, until - time.monotonic()))  # nothing is protected any more
        collect(services.database, services.storage, Terms.of(services.settings))
        assert list(check(services.database, services.storage, deep=True)) == []
    for pusher in pushers:
        pusher.check()


@contextmanager
def opened(drydock: Drydock) -> Iterator[Services]:
    """What the installation stands on, to look behind its back; without its Redis, if that is a private one."""
    environment = {"DRYDOCK_REDIS_URL": "redis://nowhere.invalid", **drydock.environment}
    services = open_services(ensure_secrets(load_settings(None, environment)))
    try:
        yield services
    finally:
        services.close()


def tell(name: str, figures: Mapping[str, object], pushers: Sequence[Pusher]) -> None:
    """Print figures, for those who ask by `-s`."""
    failures: Counter[str] = sum((pusher.failures for pusher in pushers), Counter())
    told = {
        **figures,
        "acknowledged": sum(pusher.pushed for pusher in pushers),
        "checked": sum(len(pusher.tags) for pusher in pushers),
        "failed steps": dict(failures),
        "too late": sum(pusher.late for pusher in pushers),
        "refusals": {status: body[:300] for pusher in pushers for status, body in pusher.bodies.items()},
        "longest push s": round(max(pusher.longest_s for pusher in pushers), 2),
    }
    print(name, *(f"  {key}: {value}" for key, value in told.items()), sep="\n")  # noqa: T201
