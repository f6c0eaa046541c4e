"""The commands that keep an installation in order, and what they say."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import func, select, update

from buildworker.runtime import Runtime
from cli.maintenance import size
from cli.policies import scheduled_pruning
from config.load import load_settings
from config.secrets import ensure_secrets
from config.settings import Settings
from models.access import Identity
from models.prune_policies import Config, create_policy
from models.tables import NamespaceUsage, Organization, Repository, Tag
from registry.services import Services, open_services
from tests.factories.pusher import Pusher, age, stored_paths
from tests.unit.cli.conftest import Done

Command = Callable[..., Done]
DAYS = timedelta(days=30)


@pytest.fixture
def pusher(installed: Path) -> Iterator[Pusher]:
    """Pushes to acme/app of the installation in the data folder."""
    services = _services(installed)
    with services.database.write() as session:
        acme = Organization(name="acme")
        session.add(acme)
        session.flush()
        session.add(Repository(namespace=acme, name="app", is_public=False))
    yield Pusher(services, Identity(name="somebody"))
    services.close()


def _services(data: Path) -> Services:
    settings: Settings = ensure_secrets(load_settings(None, {}, DATA=data, REDIS_URL="redis://nowhere.invalid"))
    return open_services(settings)


def test_collection_tells_what_would_go_and_then_what_went(pusher: Pusher, drydock: Command) -> None:
    digest = pusher.image("v1", b"x" * 2000)
    pusher.image("v2", b"y")
    pusher.untag("v1")
    age(pusher.services, DAYS)

    foretold = drydock("gc", "--dry-run")
    assert foretold.code == 0
    assert foretold.out == (
        "acme/app: 1 ended tags, 1 manifests, 1 links to blobs\n"
        f"  manifest {digest}\n"
        "Collection would remove 1 blobs of 2.0 kB and 0 abandoned uploads; "
        "0 objects of 0 bytes wait for deletion already.\n"
    )
    assert len(stored_paths(pusher.services)) == 3

    done = drydock("gc", "--thorough")
    assert (done.code, done.out) == (
        0,
        "Collected 1 ended tags, 0 repositories, 1 manifests, 1 links, 1 blobs of 2.0 kB, 0 uploads; "
        "deleted 1 objects in storage.\n",
    )
    assert len(stored_paths(pusher.services)) == 2
    assert "Collected 0 ended tags" in drydock("gc").out


def test_why_kept_tells_everything_that_keeps_it(pusher: Pusher, drydock: Command) -> None:
    layer = pusher.blob(b"layer")
    child = pusher.image(None, b"layer")
    signature = pusher.image(None, b"signature", subject=child)
    index = pusher.index("all", child)
    pusher.untag("all")
    pusher.index("now", child)

    told = drydock("why-kept", layer)
    assert told.code == 0
    lines = told.out.splitlines()
    assert lines[0].startswith("blob of 5 bytes at blobs/")
    assert lines[1] == "  in acme/app"
    assert lines[2] == f"    manifest {child} in acme/app"
    assert any(line.startswith("      pushed or asked for a short while ago, protected until 20") for line in lines)
    assert f"        manifest {index} in acme/app" in lines
    assert "          tag now names it" in lines
    assert any(line.startswith("          tag all named it until 20") for line in lines)

    told = drydock("why-kept", signature)
    assert f"    manifest {child} in acme/app" in told.out.splitlines()
    assert "  it belongs to its subject:" in told.out.splitlines()


def test_why_kept_says_what_nothing_keeps(pusher: Pusher, drydock: Command) -> None:
    layer = pusher.blob(b"layer")
    manifest = pusher.image(None, b"other")
    age(pusher.services, DAYS)
    assert "    no manifest there needs it" in drydock("why-kept", layer).out.splitlines()
    assert drydock("why-kept", manifest).out.splitlines()[1:] == [
        "  nothing keeps it: the next collection takes it",
    ]


def test_why_kept_knows_what_is_not_here(pusher: Pusher, drydock: Command) -> None:
    unknown = f"sha256:{'0' * 64}"
    told = drydock("why-kept", unknown)
    assert (told.code, told.err) == (
        1,
        f"{unknown} is not in this registry, neither as a blob nor as a manifest.\n",
    )
    assert drydock("why-kept", "latest").err.startswith("latest: a digest is sha256:")


def test_fsck_fails_when_something_is_missing(pusher: Pusher, drydock: Command) -> None:
    digest = pusher.blob(b"layer")
    assert drydock("fsck", "--deep") == (0, "Everything is there.\n", "")
    (path,) = stored_paths(pusher.services)
    pusher.services.storage.delete([path])
    told = drydock("fsck")
    assert (told.code, told.out) == (1, f"blob {digest}: {path} is missing in storage\nFound 1 problems.\n")


def test_quota_audit_fails_on_drift_until_it_is_repaired(pusher: Pusher, drydock: Command) -> None:
    pusher.image("v1", b"layer")
    assert drydock("quota", "audit") == (0, "Counted 1 namespaces again: 0 with drift.\n", "")
    with pusher.services.database.write() as session:
        session.execute(update(NamespaceUsage).values(size=100))
    told = drydock("quota", "audit")
    assert told.code == 1
    assert told.out.startswith("acme: 100 bytes are counted, 7 are used (drift 93)\n")
    assert drydock("quota", "audit", "--repair").code == 0
    assert drydock("quota", "audit").code == 0


def test_sizes_are_told_in_a_unit_that_fits() -> None:
    assert [size(0), size(999), size(1500), size(2_340_000_000)] == ["0 bytes", "999 bytes", "1.5 kB", "2.3 GB"]


def test_pruning_tells_what_would_end_and_what_that_frees_and_then_does_it(pusher: Pusher, drydock: Command) -> None:
    for name in ("v1", "v2", "v3"):
        pusher.image(name, b"shared", name.encode() * 1000)
    with pusher.services.database.write() as session:
        for number, name in enumerate(("v1", "v2", "v3")):
            session.execute(update(Tag).where(Tag.name == name).values(start_ms=number))
        acme = session.query(Organization).one()
        config = Config("number_of_tags", 1, "^v")
        uuid = create_policy(session, acme, None, config, actor=pusher.actor).uuid

    foretold = drydock("prune", "--dry-run")
    assert (foretold.code, foretold.err) == (0, "")
    assert foretold.out == (
        f"acme/app: policy {uuid} of acme (the newest 1 stay, where names match ^v) would end 2 tags\n"
        "  v2\n"
        "  v1\n"
        "Pruning would end 2 tags. 4.0 kB become free once nobody can restore them any more.\n"
    )
    assert "would end 2 tags" in drydock("prune", "--dry-run").out

    done = drydock("prune")
    assert (done.code, done.out) == (0, "Ended 2 tags.\n")
    assert drydock("prune").out == "Ended 0 tags.\n"
    assert "would end 0 tags. 0 bytes" in drydock("prune", "--dry-run").out
    age(pusher.services, DAYS)
    assert "2 blobs of 4.0 kB" in drydock("gc", "--thorough").out
    pusher.pull("v3")


def test_the_default_policy_prunes_by_hand_and_by_the_scheduler(
    pusher: Pusher, drydock: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("v1", "v2", "v3"):
        pusher.image(name, name.encode())
    monkeypatch.setenv("DRYDOCK_DEFAULT_NAMESPACE_AUTOPRUNE_POLICY", "{method: number_of_tags, value: 2}")
    told = drydock("prune", "--dry-run").out
    assert told.startswith("acme/app: policy of everybody (the newest 2 stay) would end 1 tags\n")
    assert drydock("prune").out == "Ended 1 tags.\n"

    stated = {"method": "number_of_tags", "value": 1}
    settings = pusher.services.settings.model_copy(update={"DEFAULT_NAMESPACE_AUTOPRUNE_POLICY": stated})
    task = scheduled_pruning(settings)
    opened = cast(Runtime, pusher.services)  # of which it takes the database only
    task.run(opened, lambda: False)
    assert living(pusher) == 1
    pusher.image("v4", b"v4")
    task.run(opened, lambda: False)
    assert living(pusher) == 2  # the next round is not due
    scheduled_pruning(settings).run(opened, lambda: False)
    assert living(pusher) == 1


def living(pusher: Pusher) -> int:
    with pusher.services.database.read() as session:
        return session.scalars(select(func.count()).select_from(Tag).where(Tag.end_ms.is_(None))).one()
