"""Which tags auto-prune policies end, and which they never touch."""

import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from models import pruning
from models.immutability_policies import create_policy as create_immutability_policy
from models.prune_policies import Config, create_policy
from models.pruning import REPOSITORIES, SLICE, default_policy, prune, prune_after, prune_due
from models.session import Session
from models.tables import Account, LogEntry, Manifest, PrunePolicy, Repository, Tag
from models.tables.base import now
from models.tag_changes import restore_tag
from registry.collection.terms import Terms
from registry.gc import collect
from tests.factories.pusher import Pusher, age

HOUR = timedelta(hours=1)
KEEP_2 = Config("number_of_tags", 2)


def app(session: Session) -> Repository:
    return session.scalars(select(Repository).where(Repository.name == "app")).one()


def policy(pusher: Pusher, config: Config = KEEP_2, *, everywhere: bool = False) -> None:
    with pusher.services.database.write() as session:
        repository = app(session)
        where = None if everywhere else repository
        create_policy(session, repository.namespace, where, config, actor=pusher.actor)


def push(pusher: Pusher, *names: str, days: int = 0) -> None:
    """Push the tags, each of its own image, in this order, so many days ago."""
    for name in names:
        pusher.image(name, name.encode())
        with pusher.services.database.write() as session:
            session.execute(update(Tag).values(start_ms=Tag.start_ms - 1))  # none begin at the same moment
    if days:
        with pusher.services.database.write() as session:
            started = Tag.start_ms - days * 86_400_000
            session.execute(update(Tag).where(Tag.name.in_(names)).values(start_ms=started))


def run(pusher: Pusher) -> int:
    """Let everything that is due be done; in how many transactions."""
    work = partial(prune_due, every=HOUR)
    turns = 0
    while pusher.services.database.apply(work):
        turns += 1
    return turns


def living(pusher: Pusher) -> set[str]:
    with pusher.services.database.read() as session:
        return set(session.scalars(select(Tag.name).where(Tag.end_ms.is_(None))))


def test_the_newest_tags_stay(pusher: Pusher) -> None:
    push(pusher, "a", "b", "c", "d")
    policy(pusher)
    run(pusher)
    assert living(pusher) == {"c", "d"}


def test_tags_of_some_age_end(pusher: Pusher) -> None:
    push(pusher, "old", days=8)
    push(pusher, "young", days=6)
    policy(pusher, Config("creation_date", "7d"))
    run(pusher)
    assert living(pusher) == {"young"}


@pytest.mark.parametrize(
    ("matches", "left"),
    [(True, {"main", "pr-3", "release", "x-pr-2"}), (False, {"pr-1", "pr-3", "x-pr-2", "release"})],
)
def test_a_pattern_tells_which_tags_count(pusher: Pusher, *, matches: bool, left: set[str]) -> None:
    push(pusher, "main", "pr-1", "x-pr-2", "release", "pr-3")
    policy(pusher, Config("number_of_tags", 2 if matches else 1, "pr-", matches))
    run(pusher)
    assert living(pusher) == left


def test_immutable_tags_are_neither_ended_nor_counted(pusher: Pusher) -> None:
    push(pusher, "v1", "a", "b", "c", "v2")
    with pusher.services.database.write() as session:
        create_immutability_policy(session, app(session).namespace, None, "v", actor=pusher.actor)
    policy(pusher)
    run(pusher)
    assert living(pusher) == {"v1", "v2", "b", "c"}


def test_what_cosign_attached_ends_with_its_image_and_not_before(pusher: Pusher) -> None:
    digests = {name: pusher.image(name, name.encode()) for name in ("a", "b", "c")}
    signatures = {name: f"{digest.replace(':', '-')}.sig" for name, digest in digests.items()}
    for signature in signatures.values():
        pusher.image(signature, signature.encode())
    with pusher.services.database.write() as session:
        for number, name in enumerate([*signatures.values(), "a", "b", "c"]):
            session.execute(update(Tag).where(Tag.name == name).values(start_ms=number))
    policy(pusher)
    run(pusher)
    assert living(pusher) == {"b", "c", signatures["b"], signatures["c"]}


def test_what_is_attached_stays_while_another_tag_or_index_has_the_image(pusher: Pusher) -> None:
    tagged, part = pusher.image("old-1", b"one"), pusher.image("old-2", b"two")
    alone = pusher.image("old-3", b"three")
    names = {digest: f"{digest.replace(':', '-')}.att" for digest in (tagged, part, alone)}
    for name in names.values():
        pusher.image(name, name.encode())
    pusher.image("kept", b"one")
    pusher.index("all", part)
    policy(pusher, Config("number_of_tags", 1, "^old-"))
    with pusher.services.database.write() as session:
        session.execute(update(Tag).where(Tag.name.like("old%")).values(start_ms=1))
        session.execute(update(PrunePolicy).values(method="creation_date", value="1d"))
    run(pusher)
    assert living(pusher) == {"kept", "all", names[tagged], names[part]}


def test_what_is_attached_below_an_index_ends_with_the_index(pusher: Pusher) -> None:
    child = pusher.image(None, b"one")
    attached = f"{child.replace(':', '-')}.sbom"
    pusher.image(attached, b"attached")
    pusher.index("old", child)
    push(pusher, "a", "b")
    with pusher.services.database.write() as session:
        session.execute(update(Tag).where(Tag.name == "old").values(start_ms=1))
    policy(pusher)
    run(pusher)
    assert living(pusher) == {"a", "b"}


def test_what_was_pruned_can_be_restored_as_long_as_the_namespace_keeps_history(pusher: Pusher) -> None:
    digest = pusher.image("a", b"a")
    push(pusher, "b", "c")
    policy(pusher)
    run(pusher)
    services = pusher.services
    age(services, timedelta(days=13))
    collect(services.database, services.storage, Terms(), thorough=True)
    with services.database.write() as session:
        restore_tag(session, app(session), "a", digest, actor=pusher.actor)
    pusher.pull("a")


def test_each_end_is_on_record(pusher: Pusher) -> None:
    push(pusher, "a", "b", "c")
    policy(pusher)
    run(pusher)
    with pusher.services.database.read() as session:
        (entry,) = session.scalars(select(LogEntry).where(LogEntry.kind == "autoprune_tag_delete"))
        uuid = session.scalars(select(PrunePolicy.uuid)).one()
    names: dict[str, Any] = {"namespace": "acme", "repo": "app", "tag": "a"}
    assert entry.detail == {**names, "performer": "autoprune worker", "policy_uuid": uuid}
    assert (entry.performer_id, entry.repository_id is not None) == (None, True)


def test_several_policies_each_have_their_way(pusher: Pusher) -> None:
    push(pusher, "old", days=30)
    push(pusher, "pr-1", "pr-2", "pr-3", "main")
    policy(pusher, Config("number_of_tags", 1, "^pr-"))
    policy(pusher, Config("creation_date", "2w"), everywhere=True)
    run(pusher)
    assert living(pusher) == {"pr-3", "main"}


def test_a_policy_of_a_namespace_counts_in_each_repository_by_itself(pusher: Pusher) -> None:
    push(pusher, "a", "b", "c")
    push(pusher.at("acme/other"), "d", "e", "f")
    policy(pusher, everywhere=True)
    run(pusher)
    assert living(pusher) == {"b", "c", "e", "f"}


@pytest.mark.parametrize(
    "stopped",
    [update(Repository).values(state="READ_ONLY"), update(Account).values(enabled=False)],
    ids=["read-only repository", "disabled namespace"],
)
def test_nothing_ends_where_nothing_may_change(pusher: Pusher, stopped: Any) -> None:
    push(pusher, "a", "b", "c")
    policy(pusher)
    with pusher.services.database.write() as session:
        session.execute(stopped)
    run(pusher)
    assert living(pusher) == {"a", "b", "c"}


def test_rounds_are_due_now_and_again(pusher: Pusher) -> None:
    push(pusher, "a", "b", "c")
    policy(pusher)
    assert run(pusher) == 1
    push(pusher, "d")
    assert run(pusher) == 0
    with pusher.services.database.write() as session:
        assert session.scalars(select(PrunePolicy.due_at)).one() > now() + HOUR * 0.9
        session.execute(update(PrunePolicy).values(due_at=now()))
    assert run(pusher) == 1
    assert living(pusher) == {"c", "d"}


def test_a_default_policy_is_for_everybody_beside_policies_of_their_own(pusher: Pusher) -> None:
    push(pusher, "a", "b", "c", "old", days=0)
    policy(pusher, Config("number_of_tags", 3))
    run(pusher)
    assert living(pusher) == {"b", "c", "old"}
    with pusher.services.database.write() as session:
        assert prune_after(session, default_policy("number_of_tags", 2), 0) is None
    assert living(pusher) == {"c", "old"}
    with pusher.services.database.write() as session:
        session.execute(update(Account).where(Account.name == "acme").values(enabled=False))
    with pusher.services.database.write() as session:
        prune_after(session, default_policy("number_of_tags", 1), 0)
    assert living(pusher) == {"c", "old"}


def test_a_default_policy_goes_on_where_it_was(pusher: Pusher) -> None:
    pusher.image("newest", b"one")
    with pusher.services.database.write() as session:
        repository = app(session)
        manifest_id = session.scalars(select(Manifest.id)).one()
        row = {"repository_id": repository.id, "manifest_id": manifest_id}
        session.execute(insert(Tag), [row | {"name": f"t{n}", "start_ms": n} for n in range(SLICE)])
        session.add_all(
            Repository(namespace_id=repository.namespace_id, name=f"r{n:03}", is_public=False)
            for n in range(REPOSITORIES)
        )
    positions: list[int | None] = [0]
    while (position := positions[-1]) is not None:
        with pusher.services.database.write() as session:
            positions.append(prune_after(session, default_policy("number_of_tags", 1), position))
    assert positions[:2] == [0, 0]  # a full slice, what is left there, and the last of the repositories
    assert len(positions) == 4
    assert living(pusher) == {"newest"}


def test_much_is_done_in_many_transactions(pusher: Pusher) -> None:
    pusher.image("newest", b"one")
    with pusher.services.database.write() as session:
        repository = app(session)
        manifest_id = session.scalars(select(Manifest.id)).one()
        row = {"repository_id": repository.id, "manifest_id": manifest_id}
        session.execute(insert(Tag), [row | {"name": f"t{n}", "start_ms": n} for n in range(2 * SLICE)])
        session.add_all(
            Repository(namespace_id=repository.namespace_id, name=f"r{n:03}", is_public=False)
            for n in range(REPOSITORIES)
        )
    policy(pusher, Config("number_of_tags", 1), everywhere=True)
    assert run(pusher) == 4  # two full slices, one that finds no more there, and what is left of the repositories
    assert living(pusher) == {"newest"}


def test_a_pattern_that_takes_too_long_ends_nothing(pusher: Pusher) -> None:
    push(pusher, "a" * 127 + "b", "a", "b", "c")
    policy(pusher, Config("number_of_tags", 1, "^(a|aa)+$", matches=False))
    with pusher.services.database.write() as session:
        session.execute(update(Tag).where(Tag.name.like("aaa%")).values(start_ms=int(time.time() * 1000) + 1000))
    run(pusher)
    assert len(living(pusher)) == 4


def test_a_tag_that_is_protected_meanwhile_stays(pusher: Pusher) -> None:
    push(pusher, "a", "b", "c")
    policy(pusher)
    with pusher.services.database.write() as session:
        found = session.scalars(select(PrunePolicy)).one()
        doomed = list(pruning.doomed_tags(session, app(session).id, found))
        session.execute(update(Tag).where(Tag.name == "a").values(immutable=True))
        assert [tag.name for tag in doomed] == ["a"]
        assert prune(session, app(session), found) == 0
