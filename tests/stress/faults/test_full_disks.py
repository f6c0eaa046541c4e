"""The disk of the blobs, or of the database, is full in the middle of pushes, and then it is not.

Meanwhile clients are told so by 507, and what there is can be pulled; afterwards nothing is missing, and nothing was
left that takes room for long. `STRESS_OUTAGES=20` for figures, which are printed with `-s`.
"""

import json
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import pytest

from tests.e2e.clients.http import Reply
from tests.e2e.clients.pusher import Pusher
from tests.e2e.clients.registry import OCI_MANIFEST, Registry, config_of, digest_of, manifest_of
from tests.services.drydock import Drydock, embedded
from tests.services.process import wait_until
from tests.services.small_disk import SmallDisk, small_disks
from tests.stress.faults.conftest import SETTINGS
from tests.stress.faults.reports import check_everything, finish, start_pushers, tell

OUTAGES = max(2, int(os.environ.get("STRESS_OUTAGES", "2")))
ROOM_MIB = 96
SECONDS = 1.0


class Installation(NamedTuple):
    """An installation on a file system of its own for the data folder and another for the blobs."""

    drydock: Drydock
    data: SmallDisk
    blobs: SmallDisk


@pytest.fixture
def installation() -> Iterator[Installation]:
    with small_disks("data", "blobs", mebibytes=ROOM_MIB) as (data, blobs):
        storage = {"local": ["LocalStorage", {"storage_path": str(blobs.folder / "storage")}]}
        settings = {**SETTINGS, "DATA": str(data.folder), "DISTRIBUTED_STORAGE_CONFIG": json.dumps(storage)}
        with embedded(settings=settings) as drydock:
            yield Installation(drydock, data, blobs)


def test_a_full_disk_is_told_and_costs_nothing_once_there_is_room(
    installation: Installation, dice: random.Random
) -> None:
    drydock, data, blobs = installation
    registry = Registry(drydock.url, ("admin", drydock.admin_password))
    image = registry.push_image("admin/first", "v1", os.urandom(300_000))
    registry.push_image("admin/first", "bare")
    pushers = start_pushers(registry, "admin/full", dice)
    for number in range(OUTAGES):
        _wait_for_pushes(pushers)
        disk, push_much, what = (
            (blobs, _push_layer, "the storage of this registry is full"),
            (data, _push_manifest, "the disk of this registry's database is full"),
        )[number % 2]
        refused: list[Reply] = []
        until = time.monotonic() + SECONDS
        while not refused or time.monotonic() < until:
            disk.fill()  # again and again, for collection makes room
            reply = push_much(registry).expect(507, 202, 201)
            refused += [reply] if reply.status == 507 else []
            registry.check_image("admin/first", image)
        disk.free()
        (told,) = {(error["code"], error["message"]) for reply in refused for error in reply.json["errors"]}
        assert told == ("UNAVAILABLE", what)
    _wait_for_pushes(pushers)
    finish(pushers)

    tell(f"{OUTAGES} full disks", {}, pushers)
    for pusher in pushers:
        assert pusher.failures.keys() <= {"507"}, pusher.bodies
    check_everything(drydock, pushers)
    registry.check_image("admin/first", image)
    _check_nothing_is_left(data, blobs)


def _push_layer(registry: Registry) -> Reply:
    """More than the sockets hold: the client has to see an answer, not a connection that broke while it was sending."""
    return registry.call("PATCH", "admin/first", registry.start_upload("admin/first"), body=os.urandom(16_000_000))


def _push_manifest(registry: Registry) -> Reply:
    """Larger than what the database may have left in its files."""
    content = manifest_of(config_of("amd64"), note="x" * 3_900_000)
    headers = {"Content-Type": OCI_MANIFEST}
    return registry.call("PUT", "admin/first", f"manifests/{digest_of(content)}", headers=headers, body=content)


def _wait_for_pushes(pushers: list[Pusher]) -> None:
    before = [pusher.pushed for pusher in pushers]
    wait_until(lambda: all(now.pushed > then for now, then in zip(pushers, before, strict=True)), seconds=60)


def _check_nothing_is_left(data: SmallDisk, blobs: SmallDisk) -> None:
    """No file that no row knows, which would take room for a day."""
    with closing(sqlite3.connect(data.folder / "drydock.db")) as database:
        paths = {
            path for table in ("blob", "upload", "garbage") for (path,) in database.execute(f"SELECT path FROM {table}")
        }
        states = [json.loads(state) for (state,) in database.execute("SELECT state FROM upload")]
    known = paths | {f"uploads/{state['upload']}" for state in states if state}
    root = blobs.folder / "storage"
    assert {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()} <= known
