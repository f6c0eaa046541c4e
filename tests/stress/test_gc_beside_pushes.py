"""Collection without a pause beside pushes, deletions and moves: whatever was acknowledged can be pulled, all the time.

Short in CI; `STRESS_SECONDS=60` for figures, which are printed with `-s`.
"""

import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from models.quota_audit import audit_usage
from models.repositories import remove_repository
from models.tables import Account, Blob
from registry.collection.run import Collected
from registry.collection.terms import Terms
from registry.errors import ManifestBlobUnknown
from registry.fsck import check
from registry.gc import collect
from registry.repositories import existing
from tests.factories.pusher import Pusher, age, stored_paths

SECONDS = float(os.environ.get("STRESS_SECONDS", "4"))
PUSHERS, COLLECTORS = 4, 2
PROTECTION = timedelta(seconds=3)
LONGEST_WAIT_S = 5  # the aim is 1; a machine that runs every test at once is given more


@dataclass
class Client:
    """One client with tags of its own, so that it knows what each of them has to be."""

    pusher: Pusher
    number: int
    dice: random.Random
    tags: dict[str, str] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0
    refused: int = 0

    def work(self, until: float) -> None:
        while time.monotonic() < until:
            act = self.dice.choice(
                [self.push, self.push, self.push_index, self.sign, self.untag, self.remove, self.pull]
            )
            began = time.monotonic()
            try:
                act()
            except ManifestBlobUnknown:
                self.refused += 1  # we were too slow, and had nothing acknowledged: a client would push again
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            self.done[act.__name__] += 1

    def push(self) -> None:
        tag = self._tag()
        self.tags[tag] = self.pusher.image(tag, *self._layers())
        self.pusher.pull(tag)

    def push_index(self) -> None:
        tag = self._tag()
        children = [self.pusher.image(None, *self._layers()) for _ in range(2)]
        self.tags[tag] = self.pusher.index(tag, *children)
        self.pusher.pull(tag)

    def sign(self) -> None:
        if self.tags:
            subject = self.dice.choice(list(self.tags.values()))
            self.pusher.image(None, f"signature {self.dice.random()}".encode(), subject=subject)

    def untag(self) -> None:
        if self.tags:
            tag = self.dice.choice(list(self.tags))
            del self.tags[tag]
            self.pusher.untag(tag)

    def remove(self) -> None:
        """Delete a manifest by its digest, with every tag of ours that names it."""
        if self.tags:
            digest = self.dice.choice(list(self.tags.values()))
            self.tags = {tag: named for tag, named in self.tags.items() if named != digest}
            self.pusher.remove(digest)

    def pull(self) -> None:
        for tag in list(self.tags):
            self.pusher.pull(tag)

    def _tag(self) -> str:
        return f"c{self.number}-{self.dice.randint(0, 5)}"

    def _layers(self) -> list[bytes]:
        """Some that everybody pushes again and again, and one that only we do."""
        shared = [f"shared {self.dice.randint(0, 7)}".encode() * 50 for _ in range(2)]
        return [*shared, f"own {self.number} {self.dice.randint(0, 30)}".encode()]


def clients_of(pusher: Pusher) -> list[Client]:
    """Two in each repository; which layers they share across repositories."""
    found = []
    for number in range(PUSHERS):
        at = pusher.at(f"acme/app{number // 2}")
        at.blob(b"the repository is there")
        found.append(Client(at, number, random.Random(number)))
    return found


def collect_until(pusher: Pusher, until: float) -> Collected:
    total = Collected()
    while time.monotonic() < until:
        gone = collect(pusher.services.database, pusher.services.storage, Terms(protection=PROTECTION, slice_size=50))
        total = Collected(**{name: value + getattr(gone, name) for name, value in vars(total).items()})
        time.sleep(0.01)
    return total


def delete_repositories_until(pusher: Pusher, until: float) -> int:
    """Push into a repository and delete it, again and again."""
    count = 0
    while time.monotonic() < until:
        at = pusher.at("acme/passing")
        at.image("v1", b"shared 1" * 50, b"passing")
        with pusher.services.database.write() as session:
            remove_repository(session, existing(session, at.name), actor=pusher.actor)
        count += 1
        time.sleep(0.2)
    return count


@pytest.fixture
def busy(pusher: Pusher) -> Pusher:
    """History is kept for no time, and the protection is short, so that all that may go does."""
    with pusher.services.database.write() as session:
        session.execute(update(Account).where(Account.name == "acme").values(tag_expiration_s=0))
    settings = pusher.services.settings.model_copy(
        update={"PUSH_TEMP_TAG_EXPIRATION_SEC": int(PROTECTION.total_seconds())}
    )
    return replace(pusher, services=replace(pusher.services, settings=settings))


def test_what_was_acknowledged_can_be_pulled_all_the_time(busy: Pusher, setup: str) -> None:
    clients, until = clients_of(busy), time.monotonic() + SECONDS
    with ThreadPoolExecutor(PUSHERS + COLLECTORS + 1) as pool:
        pushes = [pool.submit(client.work, until) for client in clients]
        collections = [pool.submit(collect_until, busy, until) for _ in range(COLLECTORS)]
        deletions = pool.submit(delete_repositories_until, busy, until)
        for push in pushes:
            push.result()
        gone = [collection.result() for collection in collections]
        deleted = deletions.result()
    tell(setup, clients, gone, deleted)

    for client in clients:
        client.pull()
    assert sum(one.manifests for one in gone) > 0
    assert max(client.longest_s for client in clients) < LONGEST_WAIT_S
    assert_sound(busy)
    age(busy.services, timedelta(days=1))
    collect(busy.services.database, busy.services.storage, Terms(protection=PROTECTION))
    for client in clients:
        client.pull()
    assert_sound(busy)
    with busy.services.database.read() as session:
        assert stored_paths(busy.services) == set(session.scalars(select(Blob.path)))


def assert_sound(pusher: Pusher) -> None:
    assert list(check(pusher.services.database, pusher.services.storage, deep=True)) == []
    assert [one for one in audit_usage(pusher.services.database) if one.drift] == []


def tell(setup: str, clients: list[Client], gone: list[Collected], deleted: int) -> None:
    done: Counter[str] = sum((client.done for client in clients), Counter())
    figures: dict[str, Any] = {
        "setup": setup,
        "done": dict(done),
        "refused": sum(client.refused for client in clients),
        "longest step s": round(max(client.longest_s for client in clients), 3),
        "collected": gone,
        "repositories deleted": deleted,
        "threads": threading.active_count(),
    }
    print("\n".join(f"{name}: {value}" for name, value in figures.items()))  # noqa: T201
