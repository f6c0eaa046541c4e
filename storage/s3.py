"""A store in an S3 bucket: Amazon's, Ceph's RADOS gateway, MinIO or any other that speaks the protocol.

An upload is a multipart upload to the final key, so that publishing copies nothing. Where S3 is unlike
the protocol, this file makes up for it:

- A part is of 5 MiB at least. What is left of an append is kept as an object of its own, the tail
  (`uploads/<uuid>/<uuid>`), and is the beginning of the next part.
- A tail that has been used is deleted only when the state that came after it is seen again, for until
  then a request that died may have to be repeated from the state before.
- An upload that never filled a part is published by one PUT; no multipart upload is begun for it.
- There are no locks. Of two requests that append at the same time the one whose state is kept counts;
  a part that the other replaced has another ETag, and the commit fails with UploadLost.

A request that dies at the wrong moment leaves an unfinished multipart upload or a tail that no state
knows; `sweep` removes them. All below the prefix is ours, so a bucket shared with others needs a prefix.
"""

import io
import logging
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from storage.driver import NotFound, Stat, State, StorageError, StorageFull, UploadLost
from storage.parts import MIB, SMALLEST, Part, split
from storage.paths import UPLOADS, checked, checked_folder
from storage.sender import sending

_log = logging.getLogger(__name__)

_ABSENT = {"NoSuchKey", "404", "NotFound"}
_LOST = {"NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall"}
_FULL = {"XMinioStorageFull", "InsufficientStorage", "QuotaExceeded", "507"}
_PAST_THE_END = {"InvalidRange", "416"}
_BATCH = 1000


class S3Storage:
    """Objects in `bucket` below `prefix`; any number of threads may use it.

    `endpoint` is the URL of a server other than Amazon's, `public_endpoint` the one that clients reach it at where
    that differs; it is used for the URLs handed out, nothing else. Without keys, boto3 looks for credentials where
    it always does (environment, role of the machine).
    """

    is_local = False
    least_chunk = SMALLEST  # of what is less, the tail takes a request more

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        access_key: str | None = None,
        secret_key: str | None = None,
        endpoint: str | None = None,
        public_endpoint: str | None = None,
        region: str = "us-east-1",
    ) -> None:
        session = boto3.session.Session(access_key, secret_key, region_name=region)
        client = _client(session, endpoint)
        self._bucket = _Bucket(client, bucket, prefix)
        self._public = _client(session, public_endpoint) if public_endpoint else client

    def read(self, path: str) -> bytes:
        with self.open(path) as body:
            return body.read()

    def open(self, path: str, *, start: int = 0, stop: int | None = None) -> BinaryIO:
        if stop is not None and stop <= start:
            self.stat(path)
            return io.BytesIO()
        wanted = {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"} if start or stop else {}
        try:
            return cast(BinaryIO, self._bucket.get(checked(path), **wanted))
        except _PastTheEnd:
            return io.BytesIO()

    def write(self, path: str, data: bytes) -> None:
        self._bucket.call("put_object", checked(path), Body=data)

    def stat(self, path: str) -> Stat:
        found = self._bucket.call("head_object", checked(path))
        return Stat(found["ContentLength"], found["LastModified"].timestamp())

    def delete(self, paths: Iterable[str]) -> None:
        self._bucket.delete(checked(path) for path in paths)

    def list(self, prefix: str) -> Iterator[tuple[str, Stat]]:
        for path, stat in self._bucket.list(checked_folder(prefix)):
            if not path.startswith(f"{UPLOADS}/"):
                yield path, stat

    def url(
        self, path: str, *, expires_s: int, filename: str | None = None, content_type: str | None = None
    ) -> str | None:
        wanted = {"Bucket": self._bucket.name, "Key": self._bucket.key(checked(path))}
        if filename:
            wanted["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
        if content_type:
            wanted["ResponseContentType"] = content_type
        with self._bucket.errors(path):
            signed: str = self._public.generate_presigned_url("get_object", Params=wanted, ExpiresIn=expires_s)
        return signed

    def begin(self, path: str) -> State:
        return {
            "path": checked(path),
            "upload": uuid.uuid4().hex,
            "size": 0,  # bytes received
            "sent": 0,  # of them, bytes in parts; the others are in the tail
            "multipart": None,  # S3's name for the multipart upload, once there is a part
            "etags": [],  # of the parts, in order
            "tail": None,  # the path of the tail
            "spent": None,  # the path of the tail before that
        }

    def append(self, state: State, chunks: Iterable[bytes]) -> State:
        given = filter(None, chunks)
        first = next(given, None)
        if first is None:
            return state
        self._bucket.delete(_paths(state["spent"]))
        sent, left, tail = state["sent"], 0, None
        with sending(self._bucket, state) as sender:
            for part in split(chain(self._tail(state), [first], given), len(state["etags"]) + 1):
                if part.stands_alone:
                    sent += part.size
                    sender.send(part)
                else:
                    left = part.size
                    tail = self._keep(state, part)
        return state | {
            "size": sent + left,
            "sent": sent,
            "multipart": sender.multipart,
            "etags": sender.etags,
            "tail": tail,
            "spent": state["tail"],
        }

    def commit(self, state: State) -> None:
        try:
            if state["multipart"]:
                self._complete(state)
            else:
                self._bucket.call("put_object", state["path"], Body=b"".join(self._tail(state)))
        except UploadLost:
            if not self._is_published(state):
                raise
        self._bucket.delete(_paths(state["tail"], state["spent"]))

    def abort(self, state: State) -> None:
        if state["multipart"]:
            with suppress(UploadLost):
                self._bucket.call("abort_multipart_upload", state["path"], UploadId=state["multipart"])
        self._bucket.delete(path for path, _ in self._bucket.list(f"{UPLOADS}/{state['upload']}"))

    def sweep(self, *, older_than_s: float, known: Iterable[State]) -> int:
        states, before = list(known), time.time() - older_than_s
        uploads = {state["upload"] for state in states}
        tails = [
            path
            for path, stat in self._bucket.list(UPLOADS)
            if stat.modified < before and path.split("/")[1] not in uploads
        ]
        self._bucket.delete(tails)
        multiparts = {state["multipart"] for state in states}
        removed = len(tails)
        for path, multipart in self._bucket.multiparts(before):
            if multipart not in multiparts:
                with suppress(UploadLost):
                    self._bucket.call("abort_multipart_upload", path, UploadId=multipart)
                removed += 1
        return removed

    def ping(self) -> None:
        probe = f"{UPLOADS}/{uuid.uuid4().hex}"
        self._bucket.call("put_object", probe, Body=b"ping")
        self._bucket.delete([probe])

    def _complete(self, state: State) -> None:
        with sending(self._bucket, state) as sender:
            for part in split(self._tail(state), len(state["etags"]) + 1):
                sender.send(part)
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(sender.etags, 1)]
        self._bucket.call(
            "complete_multipart_upload", state["path"], UploadId=state["multipart"], MultipartUpload={"Parts": parts}
        )

    def _is_published(self, state: State) -> bool:
        try:
            return bool(self.stat(state["path"]).size == state["size"])
        except NotFound:
            return False

    def _keep(self, state: State, part: Part) -> str:
        """Keep what is too small for a part; never where another tail is, for that one may still be needed."""
        path = f"{UPLOADS}/{state['upload']}/{uuid.uuid4().hex}"
        with part:
            self._bucket.call("put_object", path, Body=part.body)
        return path

    def _tail(self, state: State) -> Iterator[bytes]:
        if not state["tail"]:
            return
        try:
            body = self._bucket.get(state["tail"])
        except NotFound as exc:
            raise UploadLost(f"the last bytes of the upload to {state['path']} are gone") from exc
        with body:
            while block := body.read(MIB):
                yield block


class _Bucket:
    """A bucket and the folder in it that is ours; what the S3 client raises becomes a StorageError here."""

    def __init__(self, client: Any, name: str, prefix: str) -> None:
        self.name = name
        self._client = client
        self._prefix = f"{prefix.strip('/')}/".lstrip("/")

    def key(self, path: str) -> str:
        return self._prefix + path

    def call(self, operation: str, path: str, **wanted: Any) -> dict[str, Any]:
        """Do one of the client's operations on the object at `path`."""
        with self.errors(path):
            answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self.name, Key=self.key(path), **wanted)
        return answer

    def get(self, path: str, **wanted: str) -> "_Body":
        return _Body(self.call("get_object", path, **wanted)["Body"], path)

    def delete(self, paths: Iterable[str]) -> None:
        left = iter(paths)
        while batch := [{"Key": self.key(path)} for path in islice(left, _BATCH)]:
            with self.errors(batch[0]["Key"]):
                answer = self._client.delete_objects(Bucket=self.name, Delete={"Objects": batch, "Quiet": True})
            for error in answer.get("Errors", ()):
                if error["Code"] not in _ABSENT:
                    raise StorageError(f"S3 did not delete {error['Key']}: {error['Code']} {error.get('Message', '')}")

    def list(self, folder: str) -> Iterator[tuple[str, Stat]]:
        pages = iter(
            self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=self.key(f"{folder}/" if folder else "")
            )
        )
        while page := self._page(pages, folder):
            for found in page.get("Contents", ()):
                yield (
                    found["Key"].removeprefix(self._prefix),
                    Stat(found["Size"], found["LastModified"].timestamp()),
                )

    def multiparts(self, before: float) -> Iterator[tuple[str, str]]:
        """(path, id) of the multipart uploads below our prefix that were begun, and last added to, before the time."""
        pages = iter(
            self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=self._prefix)
        )
        with suppress(UploadLost):  # what some servers say where there is none
            while page := self._page(pages, UPLOADS):
                for found in page.get("Uploads", ()):
                    path, multipart = found["Key"].removeprefix(self._prefix), found["UploadId"]
                    if found["Initiated"].timestamp() < before and self._last_part(path, multipart) < before:
                        yield path, multipart

    def _last_part(self, path: str, multipart: str) -> float:
        """When the multipart upload was last added to; 0 if it never was, or is over since."""
        last, marker, more = 0.0, 0, True
        while more:
            try:
                answer = self.call("list_parts", path, UploadId=multipart, PartNumberMarker=marker)
            except UploadLost:
                return 0.0
            last = max([last, *(float(part["LastModified"].timestamp()) for part in answer.get("Parts", ()))])
            more, marker = bool(answer.get("IsTruncated")), answer.get("NextPartNumberMarker", 0)
        return last

    def _page(self, pages: Iterator[dict[str, Any]], folder: str) -> dict[str, Any] | None:
        with self.errors(folder):
            return next(pages, None)

    @contextmanager
    def errors(self, path: str) -> Iterator[None]:
        """Within it, what the client raises about `path` is a StorageError."""
        try:
            yield
        except ClientError as exc:
            raise self._explained(path, exc) from exc
        except (BotoCoreError, HTTPError, OSError) as exc:
            raise StorageError(f"S3 does not serve {path}: {exc}") from exc

    def _explained(self, path: str, exc: ClientError) -> StorageError:
        code = exc.response.get("Error", {}).get("Code", "")
        if code in _ABSENT:
            return NotFound(path)
        if code in _PAST_THE_END:
            return _PastTheEnd(path)
        if code in _LOST or (exc.operation_name == "UploadPart" and code == "NotImplemented"):
            # Not implemented, by some servers: replacing a part that a request which died had sent.
            return UploadLost(f"the upload to {path} is gone or not as it was: {code}")
        if code in _FULL:
            return StorageFull(f"S3 has no room for {path}: {code}")
        if code == "NoSuchBucket":
            return StorageError(f"the bucket {self.name} does not exist: make it, or correct its name in the settings")
        return StorageError(f"S3 refused {path}: {exc}")


class _PastTheEnd(StorageError):
    """A range that begins after the last byte."""


class _Body(io.RawIOBase):
    """The bytes of an answer as they arrive; a connection that breaks is a StorageError."""

    def __init__(self, body: Any, path: str) -> None:
        super().__init__()
        self._body = body
        self._path = path

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            data: bytes = self._body.read(None if size is None or size < 0 else size)
        except (BotoCoreError, HTTPError, OSError) as exc:
            raise StorageError(f"S3 stopped in the middle of {self._path}: {exc}") from exc
        return data

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._body.close()
        super().close()


def _paths(*known: str | None) -> Iterator[str]:
    return (path for path in known if path)


def _client(session: boto3.session.Session, endpoint: str | None) -> Any:
    return session.client(
        "s3",
        endpoint_url=endpoint,
        config=Config(
            signature_version="s3v4",
            # Virtual, not auto: a URL signed for a bucket of another region must not go by way of a redirect.
            s3={"addressing_style": "path" if endpoint else "virtual"},
            # Checksums in trailers are not understood by every server; the SHA-256 in the signature covers the body.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": 4},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=64,
            tcp_keepalive=True,
        ),
    )
