"""The S3 driver keeps the contract, and what it promises of S3 besides."""

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from storage.driver import StorageError, UploadLost
from storage.s3 import S3Storage
from tests.factories.streams import MIB, content
from tests.integration.storage.conftest import SECRET_KEY
from tests.storage_suite import CASES, Case, kept, upload


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_s3_storage(case: Case, storage: S3Storage) -> None:
    case(storage)


def keys(client: Any, bucket: str) -> list[str]:
    return [found["Key"] for found in client.list_objects_v2(Bucket=bucket).get("Contents", ())]


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def unfinished(client: Any, bucket: str) -> list[str]:
    return [found["Key"] for found in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


def test_hands_out_a_url_that_anyone_may_fetch_from(storage: S3Storage) -> None:
    storage.write("layers/a", b"0123456789")
    url = storage.url("layers/a", expires_s=60, filename='naïve "x".tar', content_type="application/x-tar")
    assert url
    assert "X-Amz-Expires=60" in url
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Range": "bytes=2-4"})) as answer:
        assert answer.read() == b"234"
        assert answer.headers["Content-Type"] == "application/x-tar"
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''na%C3%AFve%20%22x%22.tar"


def test_hands_out_urls_of_the_public_server(connect: Callable[..., S3Storage], bucket: str) -> None:
    url = connect(public_endpoint="https://cdn.example").url("a", expires_s=60)
    assert url
    assert url.startswith(f"https://cdn.example/{bucket}/registry/a?")


def test_a_url_is_worth_nothing_when_changed(storage: S3Storage) -> None:
    storage.write("a", b"x")
    storage.write("b", b"x")
    url = storage.url("a", expires_s=60)
    assert url
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.replace("/a?", "/b?"))
    caught.value.close()
    assert caught.value.code == 403


def test_a_small_upload_is_one_object_and_no_multipart_upload(storage: S3Storage, client: Any, bucket: str) -> None:
    state = upload(storage, "small", b"a few", b" bytes")
    assert state["multipart"] is None
    storage.commit(state)
    assert keys(client, bucket) == ["registry/small"]


def test_keeps_two_tails_at_most_and_none_in_the_end(storage: S3Storage, client: Any, bucket: str) -> None:
    state = storage.begin("tailed")
    for number in range(8):
        state = kept(storage.append(state, [content(MIB, number)]))
        assert len(keys(client, bucket)) <= 2
    storage.commit(state)
    assert keys(client, bucket) == ["registry/tailed"]
    assert storage.read("tailed") == b"".join(content(MIB, number) for number in range(8))


def test_an_abort_leaves_nothing(storage: S3Storage, client: Any, bucket: str) -> None:
    first = upload(storage, "aborted", content(18 * MIB))
    storage.append(first, [b"a tail that no state knows"])
    state = kept(storage.append(first, [b"a tail"]))
    assert unfinished(client, bucket) == ["registry/aborted"]
    storage.abort(state)
    assert keys(client, bucket) == []
    assert unfinished(client, bucket) == []


def test_a_failed_append_leaves_no_multipart_upload_that_no_state_knows(
    storage: S3Storage, client: Any, bucket: str
) -> None:
    def broken() -> Iterator[bytes]:
        yield content(33 * MIB)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        storage.append(storage.begin("broken"), broken())
    assert unfinished(client, bucket) == []
    state = upload(storage, "going on", content(16 * MIB))
    with pytest.raises(ConnectionResetError):
        storage.append(state, broken())
    assert unfinished(client, bucket) == ["registry/going on"]
    storage.commit(storage.append(state, [content(33 * MIB)]))
    assert storage.read("going on") == content(16 * MIB) + content(33 * MIB)


def test_a_lost_tail_is_a_lost_upload(storage: S3Storage, client: Any, bucket: str) -> None:
    for size in (10, 17 * MIB):
        state = upload(storage, "lost", content(size))
        client.delete_object(Bucket=bucket, Key=f"registry/{state['tail']}")
        with pytest.raises(UploadLost, match="last bytes"):
            storage.append(state, [b"more"])
        with pytest.raises(UploadLost, match="last bytes"):
            storage.commit(state)


def test_a_part_that_is_not_as_acknowledged_is_a_lost_upload(storage: S3Storage) -> None:
    state = upload(storage, "exchanged", content(20 * MIB))
    state["etags"][0] = '"00000000000000000000000000000000"'
    with pytest.raises(UploadLost, match="InvalidPart"):
        storage.commit(state)


def test_sends_large_parts_and_tails_from_files(storage: S3Storage, client: Any, bucket: str) -> None:
    data = content(40 * MIB)
    late = storage.begin("late") | {"etags": ["of an earlier part"] * 500}
    state = kept(storage.append(late, [data]))
    assert [etag.strip('"') for etag in state["etags"][500:]] == [md5(data[: 32 * MIB]), md5(data[32 * MIB :])]
    storage.abort(state)

    last = storage.begin("last") | {"etags": ["of an earlier part"] * 5000}
    state = kept(storage.append(last, [data]))
    assert client.get_object(Bucket=bucket, Key=f"registry/{state['tail']}")["Body"].read() == data
    assert (state["size"], state["sent"], len(state["etags"])) == (40 * MIB, 0, 5000)


def test_never_mixes_parts_of_two_requests(storage: S3Storage) -> None:
    """This server does not let a part be replaced; others do, and refuse the other's ETag at the commit."""
    state = upload(storage, "mixed", content(16 * MIB, 1))
    kept(storage.append(state, [content(17 * MIB, 2)]))
    with pytest.raises(UploadLost):
        storage.append(state, [content(17 * MIB, 3)])


def test_takes_a_commit_again_after_a_crash_before_the_tail_was_deleted(
    storage: S3Storage, client: Any, bucket: str
) -> None:
    for size in (10, 17 * MIB):
        state = upload(storage, "again", content(size))
        tail = client.get_object(Bucket=bucket, Key=f"registry/{state['tail']}")["Body"].read()
        storage.commit(state)
        client.put_object(Bucket=bucket, Key=f"registry/{state['tail']}", Body=tail)
        storage.commit(state)
        assert storage.read("again") == content(size)
        assert keys(client, bucket) == ["registry/again"]


def test_pages_through_long_listings(storage: S3Storage) -> None:
    for number in range(1003):
        storage.write(f"long/{number}", b"")
    assert {path for path, _ in storage.list("long")} == {f"long/{number}" for number in range(1003)}


def test_a_missing_bucket_is_named(connect: Callable[..., S3Storage]) -> None:
    storage = connect(bucket="forgotten")
    for use in (storage.ping, lambda: storage.write("a", b"x"), lambda: list(storage.list(""))):
        with pytest.raises(StorageError, match="the bucket forgotten does not exist: make it, or"):
            use()


def test_a_wrong_key_is_told_without_telling_it(connect: Callable[..., S3Storage]) -> None:
    with pytest.raises(StorageError, match="SignatureDoesNotMatch") as caught:
        connect(secret_key="another-secret-key").ping()
    assert "another-secret-key" not in str(caught.value)
    assert SECRET_KEY not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_server_that_does_not_answer_is_an_error_of_the_store(connect: Callable[..., S3Storage]) -> None:
    storage = connect(endpoint="http://127.0.0.1:1")
    with pytest.raises(StorageError, match="Could not connect"):
        storage.ping()
    with pytest.raises(StorageError, match="Could not connect"):
        list(storage.list(""))
