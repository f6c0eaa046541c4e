"""Sending the parts of an S3 multipart upload, each while the next is being gathered."""

import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Protocol

from storage.driver import State, StorageError
from storage.parts import Part

_log = logging.getLogger(__name__)


class Bucket(Protocol):
    """What does the client's operations on one object; see storage.s3."""

    def call(self, operation: str, path: str, **wanted: Any) -> dict[str, Any]: ...


class Sender:
    """Sends parts one after the other, each while the next is being gathered."""

    def __init__(self, bucket: Bucket, state: State, pool: ThreadPoolExecutor) -> None:
        self.multipart: str | None = state["multipart"]
        self.etags: list[str] = list(state["etags"])
        self._bucket = bucket
        self._path: str = state["path"]
        self._pool = pool
        self._began = False
        self._under_way: Future[str] | None = None

    def send(self, part: Part) -> None:
        """Take over the part; returns as soon as the one before it has arrived."""
        try:
            self.settle()
            self._begin()
        except BaseException:
            part.close()
            raise
        self._under_way = self._pool.submit(self._upload, part)

    def settle(self) -> None:
        """Wait for the part under way."""
        if self._under_way:
            under_way, self._under_way = self._under_way, None
            self.etags.append(under_way.result())

    def undo(self) -> None:
        """Abort the multipart upload if it was begun here, for the state that would have told of it will not be."""
        if not self._began:
            return
        if self._under_way:
            wait([self._under_way])
        try:
            self._bucket.call("abort_multipart_upload", self._path, UploadId=self.multipart)
        except StorageError as exc:
            _log.warning("an unfinished multipart upload to %s stays behind: %s", self._path, exc)

    def _begin(self) -> None:
        if self.multipart is None:
            self.multipart = self._bucket.call("create_multipart_upload", self._path)["UploadId"]
            self._began = True

    def _upload(self, part: Part) -> str:
        with part:
            etag: str = self._bucket.call(
                "upload_part", self._path, UploadId=self.multipart, PartNumber=part.number, Body=part.body
            )["ETag"]
        return etag


@contextmanager
def sending(bucket: Bucket, state: State) -> Iterator[Sender]:
    with ThreadPoolExecutor(1, "s3-part") as pool:
        sender = Sender(bucket, state, pool)
        try:
            yield sender
            sender.settle()
        except BaseException:
            sender.undo()
            raise
