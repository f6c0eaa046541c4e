"""What a namespace uses is exact, and a push that would pass its limit changes nothing."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from models.access import Identity
from models.errors import Conflict, Invalid, NotFound, QuotaExceeded
from models.quota import charge
from models.quota_audit import audit_usage, repair_usage
from models.quota_limits import (
    allowances,
    change_limit,
    change_quota,
    create_limit,
    create_quota,
    get_quota,
    human_size,
    list_limits,
    parse_size,
    remove_limit,
    remove_quota,
)
from models.repository_usage import repository_size
from models.session import Database, Session
from models.tables import (
    Account,
    LogEntry,
    Manifest,
    ManifestBlob,
    NamespaceBlob,
    NamespaceUsage,
    Organization,
    RepositoryUsage,
)
from registry.collection.terms import Terms
from registry.gc import collect
from registry.repositories import existing
from tests.factories.pusher import Pusher, age
from tests.unit.registry.conftest import Registry, image

LAYER = b"x" * 100


def acme(session: Session) -> Organization:
    return session.scalars(select(Organization).where(Organization.name == "acme")).one()


def usage(pusher: Pusher) -> int:
    """The bytes that acme uses, as they are shown."""
    with pusher.services.database.read() as session:
        id_ = session.scalars(select(Account.id).where(Account.name == "acme")).one()
        return allowances(session, [id_])[id_].used_bytes


def limit(pusher: Pusher, limit_bytes: int, **percents: int) -> None:
    with pusher.services.database.write() as session:
        quota = create_quota(session, acme(session), limit_bytes, actor=pusher.actor)
        for kind, percent in percents.items():
            create_limit(session, acme(session), quota, kind, percent, actor=pusher.actor)


def drifts(pusher: Pusher) -> list[int]:
    return [one.drift for one in audit_usage(pusher.services.database) if one.drift]


def test_a_blob_counts_once_however_many_manifests_need_it(pusher: Pusher) -> None:
    pusher.image("v1", LAYER, b"one")
    pusher.at("acme/other").image("v1", LAYER, b"two")
    assert usage(pusher) == len(LAYER) + 6 + 2
    pusher.image("v2", LAYER, b"one")
    assert usage(pusher) == len(LAYER) + 6 + 2


def test_blobs_without_a_manifest_do_not_count(pusher: Pusher) -> None:
    pusher.blob(LAYER)
    assert usage(pusher) == 0


def test_what_can_be_restored_counts_until_it_is_collected(pusher: Pusher) -> None:
    pusher.image("v1", LAYER)
    pusher.image("v2", LAYER, b"two")
    pusher.untag("v2")
    assert usage(pusher) == len(LAYER) + 3 + 2
    age(pusher.services, timedelta(days=30))
    collect(pusher.services.database, pusher.services.storage, Terms())
    assert usage(pusher) == len(LAYER) + 2
    assert drifts(pusher) == []


def test_a_push_that_would_pass_the_limit_changes_nothing(pusher: Pusher) -> None:
    pusher.image("v1", LAYER)
    limit(pusher, 200, Warning=50, Reject=90)
    with pytest.raises(QuotaExceeded, match="acme uses 102 of 180 bytes and this push adds 100"):
        pusher.image("v1", LAYER, b"y" * 100)
    assert usage(pusher) == 102
    assert not pusher.has("v2")
    pusher.pull("v1")
    with pusher.services.database.read() as session:
        assert session.query(Manifest).count() == 1
    pusher.image("v2", LAYER, b"y" * 78)
    assert usage(pusher) == 180
    assert drifts(pusher) == []


def test_a_full_namespace_takes_what_it_has_already_and_no_upload(pusher: Pusher) -> None:
    digest = pusher.image("v1", LAYER)
    limit(pusher, 100, Reject=100)
    with pusher.services.database.read() as session:
        document = session.scalars(select(Manifest.content)).one()
    with pytest.raises(QuotaExceeded, match="acme uses 102 of 100 bytes"):
        pusher.blob(b"more")
    assert pusher.manifest("v2", json.loads(document)) == digest


def test_without_limits_a_quota_only_tells(pusher: Pusher) -> None:
    limit(pusher, 10)
    pusher.image("v1", LAYER)
    assert usage(pusher) == len(LAYER) + 2


def test_the_registry_answers_denied_with_the_bytes(registry: Registry) -> None:
    registry.push_image("v1", note="first")
    with registry.services.database.write() as session:
        actor = Identity(name="somebody")
        quota = create_quota(session, acme(session), 20, actor=actor)
        create_limit(session, acme(session), quota, "Reject", 100, actor=actor)
    config, layer = registry.push_blob(b"{}second"), registry.push_blob(b"x" * 50)
    answer = registry.put_manifest("v2", image(config, 8, layer, 50))
    assert answer.status_code == 403
    (error,) = answer.get_json()["errors"]
    assert error["code"] == "DENIED"
    assert "acme uses 17 of 20 bytes and this push adds 58" in error["detail"]
    assert registry.call("GET", "acme/app/manifests/v2").status_code == 404


def test_drift_is_found_and_repaired(pusher: Pusher) -> None:
    pusher.image("v1", LAYER)
    database = pusher.services.database

    def namespace_id() -> int:
        with database.read() as session:
            return acme(session).id

    unclaim = (update(ManifestBlob).values(namespace_id=None), delete(NamespaceBlob))
    sums = [(update(table).values(size=7), delete(table)) for table in (NamespaceUsage, RepositoryUsage)]
    for damage in (*((statement,) for pair in sums for statement in pair), unclaim):
        with database.write() as session:
            for statement in damage:
                session.execute(statement)
        assert len(drifts(pusher)) == 1
        repair_usage(database, namespace_id())
        assert drifts(pusher) == []
        assert usage(pusher) == len(LAYER) + 2
    with database.read() as session:
        found = allowances(session, [namespace_id(), 999])
    assert [allowance.used_bytes for allowance in found.values()] == [len(LAYER) + 2, 0]


def bytes_of(pusher: Pusher) -> int:
    with pusher.services.database.read() as session:
        return repository_size(session, existing(session, pusher.name))


def test_a_repository_counts_a_blob_once_and_as_long_as_a_manifest_needs_it(pusher: Pusher) -> None:
    other = pusher.at("acme/other")
    digest = pusher.image("v1", LAYER, b"one")
    pusher.image("v2", LAYER, b"three")
    other.image("v1", LAYER)
    pusher.blob(b"in no manifest")
    assert (bytes_of(pusher), bytes_of(other)) == (len(LAYER) + 3 + 5 + 2, len(LAYER) + 2)
    pusher.remove(digest)
    assert bytes_of(pusher) == len(LAYER) + 3 + 5 + 2
    assert pusher.image("v1", LAYER, b"one") == digest  # it comes back, and counts no second time
    assert bytes_of(pusher) == len(LAYER) + 3 + 5 + 2
    pusher.remove(digest)
    age(pusher.services, timedelta(days=30))
    collect(pusher.services.database, pusher.services.storage, Terms())
    assert bytes_of(pusher) == len(LAYER) + 5 + 2
    assert drifts(pusher) == []


def test_a_repository_without_a_sum_is_counted_with_its_next_push(pusher: Pusher) -> None:
    pusher.image("v1", LAYER)
    with pusher.services.database.write() as session:
        session.execute(delete(RepositoryUsage))
    pusher.image("v2", LAYER, b"more")
    assert bytes_of(pusher) == len(LAYER) + 4 + 2
    assert drifts(pusher) == []


def test_quotas_and_limits_are_kept_in_order(pusher: Pusher) -> None:
    actor = pusher.actor
    with pusher.services.database.write() as session:
        namespace = acme(session)
        with pytest.raises(NotFound):
            get_quota(session, namespace)
        quota = create_quota(session, namespace, 1000, actor=actor)
        with pytest.raises(Conflict, match="has a quota already"):
            create_quota(session, namespace, 1000, actor=actor)
        change_quota(session, namespace, quota, 2000, actor=actor)
        reject = create_limit(session, namespace, quota, "Reject", 90, actor=actor)
        warning = create_limit(session, namespace, quota, "Warning", 70, actor=actor)
        with pytest.raises(Conflict, match="Warning limit at 70 percent"):
            create_limit(session, namespace, quota, "Warning", 70, actor=actor)
        change_limit(session, namespace, warning, threshold_percent=80, actor=actor)
        assert [(one.kind, one.threshold_percent) for one in list_limits(session, quota)] == [
            ("Warning", 80),
            ("Reject", 90),
        ]
        remove_limit(session, namespace, reject, actor=actor)
        remove_quota(session, namespace, quota, actor=actor)
        session.flush()
        kinds = session.scalars(select(LogEntry.kind).where(LogEntry.kind.contains("quota")).order_by(LogEntry.id))
        assert list(kinds) == [
            "org_create_quota",
            "org_change_quota",
            "org_create_quota_limit",
            "org_create_quota_limit",
            "org_change_quota_limit",
            "org_delete_quota_limit",
            "org_delete_quota",
        ]


def test_what_makes_no_sense_is_refused(pusher: Pusher) -> None:
    with pusher.services.database.write() as session:
        namespace, actor = acme(session), pusher.actor
        with pytest.raises(Invalid, match="limit_bytes"):
            create_quota(session, namespace, 0, actor=actor)
        quota = create_quota(session, namespace, 1000, actor=actor)
        with pytest.raises(Invalid, match="threshold_percent"):
            create_limit(session, namespace, quota, "Reject", 101, actor=actor)
        with pytest.raises(Invalid, match="type"):
            create_limit(session, namespace, quota, "Perhaps", 50, actor=actor)


def with_default(pusher: Pusher, size: int | None) -> Pusher:
    """The same pusher in an installation where a namespace without a quota may use so much."""
    known = pusher.services.database
    url = known.engine.url.render_as_string(hide_password=False)
    return replace(pusher, services=replace(pusher.services, database=Database(url, known.vault, quota_default=size)))


def test_a_namespace_without_a_quota_has_the_one_of_everybody(pusher: Pusher) -> None:
    small = with_default(pusher, 150)
    small.image("v1", LAYER)
    with pytest.raises(QuotaExceeded, match="acme uses 102 of 150 bytes and this push adds 100"):
        small.image("v2", LAYER, b"y" * 100)
    small.image("v2", LAYER, b"y" * 48)
    with pytest.raises(QuotaExceeded, match="acme uses 150 of 150 bytes"):
        small.blob(b"more")
    limit(pusher, 1)  # a quota of its own, that only tells
    small.image("v3", LAYER, b"y" * 100)
    small.services.database.dispose()


def test_where_quotas_do_not_count_nothing_is_refused_and_all_is_counted(pusher: Pusher) -> None:
    limit(pusher, 10, Reject=100)
    unlimited = with_default(pusher, None)
    unlimited.image("v1", LAYER)
    unlimited.blob(b"more")
    assert usage(unlimited) == len(LAYER) + 2
    assert drifts(unlimited) == []
    unlimited.services.database.dispose()


def test_a_push_tells_which_warnings_it_passes(pusher: Pusher) -> None:
    limit(pusher, 200, Warning=50, Reject=100)
    with pusher.services.database.write() as session:
        quota = get_quota(session, acme(session))
        create_limit(session, acme(session), quota, "Warning", 75, actor=pusher.actor)
        passed = [
            [(one.threshold_percent, one.used_bytes, one.quota_bytes) for one in charge(session, acme(session), added)]
            for added in (100, 1, 49, 50)
        ]
    assert passed == [[], [(50, 101, 200)], [], [(75, 200, 200)]]


def test_what_a_repository_needs_is_counted_once(pusher: Pusher) -> None:
    other = pusher.at("acme/other")
    pusher.image("v1", LAYER, b"one")
    pusher.image("v2", LAYER)
    pusher.blob(b"in no manifest")
    other.image("v1", LAYER)
    assert [bytes_of(pusher), bytes_of(other)] == [len(LAYER) + 3 + 2, len(LAYER) + 2]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10", 10),
        ("10B", 10),
        ("1 KiB", 1024),
        ("1Ki", 1024),
        ("1K", 1000),
        ("2KB", 2000),
        ("3 GiB", 3 << 30),
        ("1T", 10**12),
    ],
)
def test_a_size_is_a_number_and_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "1.5 GiB", "-1", "1 gib", "1  GiB", "GiB", "1iB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="limit: expected a whole number and a unit"):
        parse_size(text)


def test_sizes_are_told_to_people() -> None:
    assert [human_size(size) for size in (0, 1023, 1024, 5 << 30, 1 << 53)] == [
        "0.0 Byte",
        "1023.0 Byte",
        "1.0 KiB",
        "5.0 GiB",
        "8.0 PiB",
    ]
