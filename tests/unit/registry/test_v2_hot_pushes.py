"""Pushes on the hot path do what the views do, or nothing; and many at once what they do one after the other."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from models.session import Database, Session
from models.tables import Account, Blob, Delivery, LogEntry, Manifest, Quota, QuotaLimit, Repository, Tag, Upload
from models.tables.repositories import RepositoryState
from models.tags import alive
from registry.manifest_format import OCI_MANIFEST
from registry.names import Digest
from registry.v2.hot import HotAnswer, HotPath, HotRequest
from registry.v2.hot_pushes import SMALL, HotPushes
from storage.driver import StorageError
from storage.memory import MemoryStorage
from tests.unit.registry.conftest import Registry, image, index

# A view says of what type its empty body would be.
ALWAYS_OF_THE_SERVER = {"Content-Length", "Connection", "Date", "Content-Type"}
SCOPE = "repository:acme/app:pull,push"
T = TypeVar("T")


class Hot:
    """The hot path, and a client of it."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        shared = registry.app.extensions["drydock.registry"]
        self.reads, self.pushes = HotPath(shared), HotPushes(shared)
        self.token = registry.token("acme+ci", SCOPE)
        shared.tokens.verify(self.token)
        registry.push_image("first")

    def request(self, method: str, path: str, body: bytes = b"", *, query: str = "", **headers: str) -> HotRequest:
        own = {"host": "localhost", "authorization": f"Bearer {self.token}", "content-length": str(len(body))}
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return HotRequest(method, f"/v2/{path}", query, own | named, "127.0.0.1", body)

    def begin(self) -> str:
        """The path of a new upload."""
        answer = self.reads.answer(self.request("POST", "acme/app/blobs/uploads/"))
        assert answer is not None
        assert answer.status == "202 Accepted"
        return answer.headers["Location"].removeprefix("/v2/")

    def blob(self, data: bytes, *, digest: str | None = None, path: str | None = None) -> HotRequest:
        query = f"digest={digest or Digest.of(data)}".replace(":", "%3A")
        return self.request("PUT", path or self.begin(), data, query=query, content_type="application/octet-stream")

    def manifest(self, tag: str, document: dict[str, Any], media_type: str = OCI_MANIFEST) -> HotRequest:
        return self.request("PUT", f"acme/app/manifests/{tag}", json.dumps(document).encode(), content_type=media_type)

    def image(self, note: str = "", **extra: Any) -> dict[str, Any]:
        """A manifest of blobs that are there."""
        layer = str(Digest.of(b"layer"))
        return image(str(Digest.of(b"{}")), 2, layer, 5, annotations={"note": note}, **extra)

    def push(self, *requests: HotRequest) -> list[HotAnswer | None]:
        assert all(self.pushes.takes(request) for request in requests)
        return self.pushes.answer(list(requests))


@pytest.fixture
def hot(registry: Registry) -> Iterator[Hot]:
    made = Hot(registry)
    yield made
    made.reads.close()


def count(registry: Registry, table: Any, *where: Any) -> int:
    with registry.services.database.read() as session:
        return session.scalar(select(func.count()).select_from(table).where(*where)) or 0


def stored(registry: Registry) -> set[str]:
    return {path for path, _ in registry.services.storage.list("blobs")}


def test_a_blob_is_pushed_as_the_views_do(registry: Registry, hot: Hot) -> None:
    begun = hot.reads.answer(hot.request("POST", "acme/app/blobs/uploads/"))
    view = registry.call("POST", "acme/app/blobs/uploads/")
    assert begun is not None
    assert (view.status, set(view.headers.keys()) - ALWAYS_OF_THE_SERVER) == ("202 ACCEPTED", set(begun.headers))
    assert {"Location": "", "Docker-Upload-UUID": "", **begun.headers}["Range"] == view.headers["Range"] == "0-0"

    (answer,) = hot.push(hot.blob(b"by the hot path"))
    assert answer is not None
    assert answer.status == "201 Created"
    digest = Digest.of(b"by the hot path")
    assert registry.call("GET", f"acme/app/blobs/{digest}").data == b"by the hot path"
    query = {"digest": str(Digest.of(b"by a view"))}
    seen = registry.call("PUT", hot.begin(), data=b"by a view", query_string=query)
    expected = {name: value for name, value in seen.headers.items() if name not in ALWAYS_OF_THE_SERVER}
    assert {name: value.replace(str(digest), query["digest"]) for name, value in answer.headers.items()} == expected


def test_a_manifest_is_pushed_as_the_views_do(registry: Registry, hot: Hot) -> None:
    subject = {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(b"to come")), "size": 1}
    by_hot = hot.manifest("hot", hot.image("1", subject=subject))
    by_hot.headers["user-agent"] = registry.client.environ_base["HTTP_USER_AGENT"]
    (answer,) = hot.push(by_hot)
    assert answer is not None
    assert (answer.status, answer.user) == ("201 Created", "acme+ci")
    view = registry.put_manifest("view", by_hot.body)
    expected = {name: value for name, value in view.headers.items() if name not in ALWAYS_OF_THE_SERVER}
    assert answer.headers == expected
    assert registry.call("GET", "acme/app/manifests/hot").data == by_hot.body
    with registry.services.database.read() as session:
        said = session.execute(select(LogEntry.kind, LogEntry.detail, LogEntry.ip, LogEntry.performer)).all()
    told = {row.kind: row for row in said if row.detail.get("tag") == "hot"}
    assert {(row.kind, row.ip, row.performer) for row in told.values()} == {
        ("create_tag", "127.0.0.1", "acme+ci"),
        ("push_repo", "127.0.0.1", "acme+ci"),
    }
    seen = {row.kind: row for row in said if row.detail.get("tag") == "view"}
    assert {kind: {**row.detail, "tag": "view"} for kind, row in told.items()} == {
        kind: row.detail for kind, row in seen.items()
    }


def test_many_at_once_are_all_stored(registry: Registry, hot: Hot) -> None:
    blobs = [f"blob {number}".encode() for number in range(5)]
    images = [hot.image(str(number)) for number in range(5)]
    requests = [hot.blob(data) for data in blobs] + [
        hot.manifest(f"t{number}", document) for number, document in enumerate(images)
    ]
    assert [answer and answer.status for answer in hot.push(*requests)] == ["201 Created"] * 10
    for data in blobs:
        assert registry.call("GET", f"acme/app/blobs/{Digest.of(data)}").data == data
    for number, document in enumerate(images):
        assert registry.call("GET", f"acme/app/manifests/t{number}").get_json() == document


def test_the_same_blob_twice_at_once_lies_in_one_place(registry: Registry, hot: Hot) -> None:
    before = stored(registry)
    first, second = hot.push(hot.blob(b"twice"), hot.blob(b"twice"))
    assert first is not None
    assert second is not None
    assert len(stored(registry) - before) == 1
    assert registry.call("GET", f"acme/app/blobs/{Digest.of(b'twice')}").data == b"twice"


def test_pushes_of_one_tag_or_manifest_at_once_follow_each_other(registry: Registry, hot: Hot) -> None:
    one, two = hot.manifest("v1", hot.image("1")), hot.manifest("v1", hot.image("2"))
    answers = hot.push(one, two, one, hot.manifest("v2", hot.image("1")))
    assert all(answers)
    assert registry.call("GET", "acme/app/manifests/v1").data == one.body
    assert registry.call("GET", "acme/app/manifests/v2").data == one.body
    with registry.services.database.read() as session:
        past = session.execute(select(Tag.end_ms.is_(None)).where(Tag.name == "v1").order_by(Tag.id)).scalars().all()
    assert list(past) == [False, False, True]
    assert count(registry, Manifest, Manifest.digest == str(Digest.of(one.body))) == 1


def test_what_one_does_wrong_is_not_held_against_the_others(registry: Registry, hot: Hot) -> None:
    unknown = image(str(Digest.of(b"{}")), 2, str(Digest.of(b"nowhere")), 5)
    answers = hot.push(
        hot.manifest("good", hot.image("good")), hot.manifest("bad", unknown), hot.blob(b"good"), hot.blob(b"{}")
    )
    assert [answer is not None for answer in answers] == [True, False, True, False]
    assert registry.call("HEAD", "acme/app/manifests/good").status_code == 200
    assert registry.call("HEAD", "acme/app/manifests/bad").status_code == 404
    assert registry.call("HEAD", f"acme/app/blobs/{Digest.of(b'good')}").status_code == 200


def test_an_upload_id_is_good_for_one_blob(registry: Registry, hot: Hot) -> None:
    path, before = hot.begin(), stored(registry)
    answers = hot.push(hot.blob(b"one", path=path), hot.blob(b"two", path=path))
    assert [answer is not None for answer in answers] == [True, False]
    assert hot.push(hot.blob(b"three", path=path)) == [None]
    assert registry.call("HEAD", f"acme/app/blobs/{Digest.of(b'two')}").status_code == 404
    assert len(stored(registry) - before) == 1
    assert count(registry, Upload, Upload.uuid == path.rpartition("/")[2]) == 1


def test_what_is_not_plain_is_left_to_the_views_untouched(registry: Registry, hot: Hot) -> None:
    ongoing = hot.begin()
    registry.call("PATCH", ongoing, data=b"be")
    registry.push_blob(b"here")
    before, blobs = stored(registry), count(registry, Blob)
    left = [
        hot.blob(b"gin", path=ongoing),
        hot.blob(b"here"),  # whose bytes might be lost
        hot.blob(b"other", digest=str(Digest.of(b"another"))),
        hot.blob(b"other", digest="sha256:zz"),
        hot.blob(b"other", path=f"acme/app/blobs/uploads/{'0' * 36}"),
        hot.blob(b"other", path=hot.begin().replace("acme/app", "acme/none")),
        replace(hot.blob(b"other"), query=""),
        replace(hot.blob(b"other"), query=f"digest={Digest.of(b'other')}&digest={Digest.of(b'other')}"),
        hot.request("PUT", hot.begin(), b"other", query=f"digest={Digest.of(b'other')}", content_range="0-4"),
        hot.request("PUT", "acme/app/manifests/v1", b"{", content_type=OCI_MANIFEST),
        hot.request("PUT", f"acme/app/manifests/{Digest.of(b'x')}", json.dumps(hot.image()).encode()),
        hot.request("PUT", "acme/app/manifests/-v", json.dumps(hot.image()).encode()),
        hot.request("PUT", "acme/app/manifests/v", json.dumps(hot.image()).encode(), query="tag=x"),
        replace(hot.manifest("v", hot.image()), headers={"host": "localhost", "content-length": "1"}),
        hot.request("PUT", "acme/none/manifests/v1", json.dumps(hot.image()).encode()),
        hot.manifest("v", index(str(Digest.of(b"no child")))),
    ]
    assert hot.push(*left) == [None] * len(left)
    assert (stored(registry), count(registry, Blob)) == (before, blobs)
    assert not hot.pushes.takes(hot.request("PUT", "acme/app/manifests/v1"))
    assert not hot.pushes.takes(hot.request("PUT", "acme/app/manifests/v1", b"m" * (SMALL + 1)))
    assert not hot.pushes.takes(hot.request("PATCH", ongoing, b"x"))
    for begins in (
        hot.request("POST", "acme/none/blobs/uploads/"),
        hot.request("POST", "acme/app/blobs/uploads/", query=f"mount={Digest.of(b'here')}"),
        hot.request("POST", "acme/app/blobs/uploads/", b"bytes"),
    ):
        assert hot.reads.answer(begins) is None


def test_a_reader_pushes_nothing(registry: Registry, hot: Hot) -> None:
    path = hot.begin()
    hot.token = registry.token("acme+reader", SCOPE)
    registry.app.extensions["drydock.registry"].tokens.verify(hot.token)
    assert hot.push(hot.blob(b"no", path=path), hot.manifest("v1", hot.image())) == [None, None]
    assert hot.reads.answer(hot.request("POST", "acme/app/blobs/uploads/")) is None


@pytest.mark.parametrize("state", ["READ_ONLY", "MIRROR", "MARKED_FOR_DELETION"])
def test_a_repository_that_takes_no_pushes(registry: Registry, hot: Hot, state: RepositoryState) -> None:
    with registry.services.database.write() as session:
        session.query(Repository).filter_by(name="app").one().state = state
    assert hot.push(hot.manifest("v1", hot.image())) == [None]
    assert hot.reads.answer(hot.request("POST", "acme/app/blobs/uploads/")) is None


def test_an_immutable_tag_stays(registry: Registry, hot: Hot) -> None:
    hot.push(hot.manifest("v1", hot.image("1")))
    with registry.services.database.write() as session:
        session.query(Tag).filter_by(name="v1").one().immutable = True
    assert hot.push(hot.manifest("v1", hot.image("2")), hot.manifest("v2", hot.image("3")))[0] is None
    assert registry.call("GET", "acme/app/manifests/v1").get_json() == hot.image("1")
    assert registry.call("GET", "acme/app/manifests/v2").get_json() == hot.image("3")


def test_a_label_ends_the_tag_and_its_config_is_read_once(registry: Registry, hot: Hot) -> None:
    config = json.dumps({"config": {"Labels": {"quay.expires-after": "2h"}}}).encode()
    document = image(str(Digest.of(config)), len(config), str(Digest.of(b"layer")), 5)
    assert hot.push(hot.manifest("early", document)) == [None]  # the config is not here: nothing may be remembered
    hot.push(hot.blob(config))
    assert all(hot.push(hot.manifest("once", document), hot.manifest("again", {**document, "annotations": {"n": "2"}})))
    assert all(hot.push(hot.manifest("own", {**document, "annotations": {"quay.expires-after": "1h"}})))
    with registry.services.database.read() as session:
        found = session.execute(select(Tag.name, Tag.expires_ms - Tag.start_ms).where(alive(), Tag.name != "first"))
        assert sorted(map(tuple, found)) == [("again", 7_200_000), ("once", 7_200_000), ("own", 3_600_000)]


def test_a_label_makes_the_tag_immutable(registry: Registry, hot: Hot) -> None:
    config = json.dumps({"config": {"Labels": {"quay.immutable": "true", "quay.expires-after": "2h"}}}).encode()
    hot.push(hot.blob(config))
    document = image(str(Digest.of(config)), len(config), str(Digest.of(b"layer")), 5)
    mutable = {**document, "annotations": {"quay.immutable": "false"}}
    assert all(hot.push(hot.manifest("v1", document), hot.manifest("own", mutable)))
    with registry.services.database.read() as session:
        found = session.execute(select(Tag.name, Tag.immutable, Tag.expires_ms.is_(None)).where(Tag.name != "first"))
        assert sorted(map(tuple, found)) == [("own", False, False), ("v1", True, True)]


def test_a_namespace_that_is_full_takes_no_more(registry: Registry, hot: Hot) -> None:
    with registry.services.database.write() as session:
        quota = Quota(namespace_id=session.query(Account).filter_by(name="acme").one().id, limit_bytes=20)
        session.add(quota)
        session.flush()
        session.add(QuotaLimit(quota_id=quota.id, kind="Reject", threshold_percent=100))
    fits, bursts = hot.blob(b"f" * 10), hot.blob(b"b" * 11)
    assert all(hot.push(fits, bursts))
    layers = [Digest.of(request.body) for request in (fits, bursts)]
    documents = [image(str(Digest.of(b"{}")), 2, str(layer), 10) for layer in layers]
    answers = hot.push(*(hot.manifest(f"v{number}", document) for number, document in enumerate(documents)))
    assert [answer is not None for answer in answers] == [True, False]
    assert registry.call("HEAD", "acme/app/manifests/v1").status_code == 404
    assert hot.reads.answer(hot.request("POST", "acme/app/blobs/uploads/")) is not None
    with registry.services.database.write() as session:
        session.query(Quota).one().limit_bytes = 17
    assert hot.reads.answer(hot.request("POST", "acme/app/blobs/uploads/")) is None


def test_where_everybody_has_a_limit_who_is_at_it_begins_no_upload(registry: Registry, hot: Hot) -> None:
    url = registry.services.database.engine.url.render_as_string(hide_password=False)
    shared = registry.app.extensions["drydock.registry"]
    for size, begins in ((0, True), (7, False), (8, True)):  # pushed were a config of 2 bytes and a layer of 5
        database = Database(url, registry.services.database.vault, quota_default=size)
        reads = HotPath(replace(shared, services=replace(registry.services, database=database)))
        assert (reads.answer(hot.request("POST", "acme/app/blobs/uploads/")) is not None) == begins
        reads.close()
        database.dispose()


class _Full(MemoryStorage):
    """A store that takes nothing any more."""

    def write(self, path: str, data: bytes) -> None:
        raise StorageError("no space left on device")


def test_when_storage_is_full_only_manifests_are_taken(registry: Registry, hot: Hot) -> None:
    shared = registry.app.extensions["drydock.registry"]
    hot.pushes = HotPushes(replace(shared, services=replace(registry.services, storage=_Full())))
    answers = hot.push(hot.blob(b"1"), hot.manifest("v1", hot.image()), hot.blob(b"2"))
    assert [answer is not None for answer in answers] == [False, True, False]
    assert count(registry, Blob, Blob.digest.in_([str(Digest.of(b"1")), str(Digest.of(b"2"))])) == 0


class _LosesAnswers(Database):
    """A database whose connections break after some commit, before the answer."""

    def __init__(self, database: Database) -> None:
        self.__dict__.update(vars(database))
        self.broken = False

    def apply(self, work: Callable[[Session], T]) -> T:
        done = super().apply(work)
        if not self.broken:
            self.broken = True
            raise OperationalError("COMMIT", {}, Exception("the connection is lost"))
        return done


def test_blobs_whose_commit_got_no_answer_keep_their_bytes(registry: Registry, hot: Hot) -> None:
    shared = registry.app.extensions["drydock.registry"]
    database = _LosesAnswers(registry.services.database)
    hot.pushes = HotPushes(replace(shared, services=replace(registry.services, database=database)))
    contents = [b"one", b"two", b"three"]
    hot.push(*map(hot.blob, contents))
    assert database.broken
    for content in contents:
        assert registry.call("GET", f"acme/app/blobs/{Digest.of(content)}").data == content


def test_who_wants_to_hear_of_pushes_hears_of_each(registry: Registry, hot: Hot) -> None:
    with registry.services.database.write() as session:
        session.query(Repository).filter_by(name="app").one().tells_pushes = True
    assert all(hot.push(hot.manifest("v1", hot.image("1")), hot.manifest("v2", hot.image("2"))))
    with registry.services.database.read() as session:
        sealed = [row.encrypted_message for row in session.query(Delivery)]
        told = [json.loads(session.vault.decrypt(message or "")) for message in sealed]
    assert sorted(message["data"]["updated_tags"] for message in told) == [["v1"], ["v2"]]
