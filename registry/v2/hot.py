"""The requests that make up nearly all traffic, answered without the web framework: GET and HEAD of manifests, small
blobs and tag lists, the ping, and the POST that begins an upload. PUTs, which write, are in `registry.v2.hot_pushes`.

Only successes are answered here. Whatever is unusual (no token, nothing there, a range, a database that does not
answer) is left to the views, which say the same in every other case; `tests/unit/registry/test_v2_hot.py` holds the two
together. Requests that have come together ask the database together: in one round trip, and once for the same thing,
which is exact, since it is asked after all of them have come. Not thread-safe: each server thread that answers this way
has a HotPath of its own.
"""

import json
import logging
import re
from collections import OrderedDict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from models import metrics
from models.errors import DomainError, Upstream
from models.prepared import Ask, Prepared, Rows
from models.pulls import Pull
from models.reader import Reader
from models.tags import TAG_NAMES, now_ms
from registry.blobs import BLOB_IN_REPOSITORY
from registry.manifests import MANIFEST_BY_DIGEST, MANIFEST_BY_TAG, MANIFEST_CONTENT
from registry.names import Digest, Malformed, RepositoryName, parse_reference
from registry.repositories import PUSH_TARGET, REPOSITORY_ID
from registry.tokens import Grant
from registry.upload_rows import new_upload
from registry.v2.blobs import served_headers as blob_headers
from registry.v2.context import Registry, seen
from registry.v2.errors import API_VERSION
from registry.v2.manifests import pull_detail
from registry.v2.manifests import served_headers as manifest_headers
from registry.v2.paging import MOST, next_link
from registry.v2.uploads import begun_headers
from storage.driver import StorageError

log = logging.getLogger(__name__)

SMALL = 256 << 10
"""Bytes up to which a blob is read and sent in one piece."""
CACHED_BYTES = 32 << 20
KEPT_PULLS = 1000
_ROUTE = re.compile(r"/v2/(?:([a-z0-9._/-]+)/(?:(manifests|blobs)/([A-Za-z0-9._:-]+)|(tags/list)))?")
_UPLOADS = re.compile(r"/v2/([a-z0-9._/-]+)/blobs/uploads/?")


@dataclass(frozen=True)
class HotRequest:
    """A plain request. `headers` have lower-case names; `query` is as sent, `ip` the client's address."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    ip: str
    body: bytes = b""

    @property
    def length(self) -> int:
        """Of its body, in bytes."""
        return int(self.headers.get("content-length", "0"))


@dataclass(frozen=True)
class HotAnswer:
    """A complete answer. `length` is what Content-Length says; of a HEAD, `body` is empty."""

    headers: dict[str, str]
    body: bytes
    length: int
    user: str | None
    status: str = "200 OK"


Answering = Generator[Ask, Rows, HotAnswer | None]
"""Work on a request: it asks the database, is sent what that found, and returns the answer."""


class _Work:
    """A request that is being answered: what it asks next, and in the end its answer."""

    def __init__(self, steps: Answering) -> None:
        self._steps = steps
        self.ask: Ask
        self.answer: HotAnswer | None = None

    def goes_on(self, found: Rows | None) -> bool:
        """Whether it asks something else after it was told what was found."""
        try:
            self.ask = next(self._steps) if found is None else self._steps.send(found)
        except StopIteration as done:
            self.answer = done.value
        except (DomainError, StorageError, Malformed):
            return False  # the views find the same error and tell the client
        except Exception:  # a defect: the views try, and this process, which serves others, lives on
            log.exception("the hot path failed")
        else:
            return True
        return False


class HotPath:
    """Answers what it can; None means that the views shall answer."""

    def __init__(self, registry: Registry) -> None:
        database, services = registry.services.database, registry.services
        self._registry = registry
        self._reader = Reader(database)
        self._by_tag = self._reader.prepare(MANIFEST_BY_TAG)
        self._by_digest = self._reader.prepare(MANIFEST_BY_DIGEST)
        self._content = self._reader.prepare(MANIFEST_CONTENT)
        self._blob = self._reader.prepare(BLOB_IN_REPOSITORY)
        self._repository = self._reader.prepare(REPOSITORY_ID)
        self._tag_names = self._reader.prepare(TAG_NAMES)
        self._target = self._reader.prepare(PUSH_TARGET)
        self._contents = _Contents(CACHED_BYTES)
        self._pulls: dict[tuple[Any, ...], Pull] = {}
        self._now_ms = 0  # when the requests that are being answered had come
        self._sends_blobs = services.storage.is_local  # a thread waits for a far one

    def answer(self, request: HotRequest) -> HotAnswer | None:
        """The answer to a request that can be served at once."""
        return self.answers([request])[0]

    def answers(self, requests: Sequence[HotRequest]) -> list[HotAnswer | None]:
        """The answers to requests which have all been received by now."""
        self._now_ms = now_ms()
        works = [_Work(self._answering(request)) for request in requests]
        asking = [work for work in works if work.goes_on(None)]
        while asking:
            try:
                found = self._reader.at_once([work.ask for work in asking])
            except Upstream:
                break
            asking = [work for work, rows in zip(asking, found, strict=True) if work.goes_on(rows)]
        return [work.answer for work in works]

    def close(self) -> None:
        self._reader.close()

    def _answering(self, request: HotRequest) -> Answering:
        begins = request.method == "POST"
        route = (_UPLOADS if begins else _ROUTE).fullmatch(request.path)
        if route is None or request.length or "range" in request.headers or "if-none-match" in request.headers:
            return None
        held = find_grant(self._registry, request)
        if held is None:
            return None
        work = self._begin_upload(request, held, route[1]) if begins else self._serve(request, held, route)
        return (yield from work)

    def _serve(self, request: HotRequest, held: Grant, route: re.Match[str]) -> Answering:
        name, kind, reference, tags = route.groups()
        if name is None:
            return _answer(request, held, {**API_VERSION, "Content-Type": "application/json"}, b"{}\n")
        if not held.allows(name, "pull"):
            return None
        repository = RepositoryName.parse(name)
        if tags:
            return (yield from self._list_tags(request, held, repository))
        if request.query or (request.method == "HEAD" and ":" in reference and held.allows(name, "push")):
            return None  # what a pusher is told is there, the views protect from collection
        if kind == "blobs":
            return (yield from self._get_blob(request, held, repository, Digest.parse(reference)))
        return (yield from self._get_manifest(request, held, repository, reference))

    def _get_manifest(self, request: HotRequest, held: Grant, repository: RepositoryName, reference: str) -> Answering:
        wanted = parse_reference(reference)
        query = self._by_digest if isinstance(wanted, Digest) else self._by_tag
        row = (yield _ask(query, repository, reference=reference, now_ms=self._now_ms)).first()
        if row is None:
            return None
        repository_id, _, digest, media_type = row
        content = self._contents.get(digest)
        if content is None:
            found = (yield Ask(self._content, {"repository_id": repository_id, "digest": digest})).first()
            if found is None:
                return None
            content = self._contents.put(digest, bytes(found[0]))
        if request.method == "GET":
            metrics.pulled()
            self._registry.pulls.note(self._pull(request, held, repository, reference, row))
        return _answer(request, held, manifest_headers(digest, media_type), content)

    def _pull(self, request: HotRequest, held: Grant, repository: RepositoryName, reference: str, row: Any) -> Pull:
        """What is noted of a pull: the same object for the same caller and the same manifest."""
        agent = request.headers.get("user-agent")
        key = (request.headers["authorization"], request.ip, agent, request.path, row)
        pull = self._pulls.get(key)
        if pull is None:
            if len(self._pulls) >= KEPT_PULLS:
                self._pulls.clear()  # rare, and cheaper than keeping an order on every request
            repository_id, namespace_id, digest, media_type = row
            detail = pull_detail(repository, reference, digest, media_type)
            pull = Pull(seen(held.identity, request.ip, agent), namespace_id, repository_id, detail)
            self._pulls[key] = pull
        return pull

    def _get_blob(self, request: HotRequest, held: Grant, repository: RepositoryName, digest: Digest) -> Answering:
        row = (yield _ask(self._blob, repository, digest=str(digest))).first()
        if row is None:
            return None
        digest_text, size, path = row
        headers = blob_headers(digest_text)
        if request.method == "HEAD":
            return HotAnswer(headers, b"", size, held.identity.name)
        if size > SMALL or not self._sends_blobs:
            return None
        with self._registry.services.storage.open(path) as stream:
            content = stream.read(size)
        if len(content) != size:
            return None
        metrics.blob_bytes("out", size)
        return _answer(request, held, headers, content)

    def _list_tags(self, request: HotRequest, held: Grant, repository: RepositoryName) -> Answering:
        pairs = parse_qsl(request.query, keep_blank_values=True)
        asked = dict(pairs)
        if len(asked) < len(pairs) or "\0" in asked.get("last", ""):
            return None
        count = asked.pop("n", str(MOST))
        last = asked.pop("last", "")
        if asked or not count.isascii() or not count.isdigit() or not 0 < int(count[:9]) <= MOST:
            return None
        size = int(count)
        row = (yield _ask(self._repository, repository)).first()
        if row is None:
            return None
        page = {"repository_id": row[0], "after": last, "now_ms": self._now_ms, "most": size + 1}
        rows = yield Ask(self._tag_names, page)
        names = [name for (name,) in rows[:size]]
        headers = {**API_VERSION, "Content-Type": "application/json"}
        if len(rows) > size:
            headers["Link"] = next_link(request.path, size, names[-1])
        body = json.dumps({"name": str(repository), "tags": names}, separators=(",", ":")) + "\n"
        return _answer(request, held, headers, body.encode())

    def _begin_upload(self, request: HotRequest, held: Grant, name: str) -> Answering:
        if request.query or not held.allows(name, "push"):
            return None
        repository = RepositoryName.parse(name)
        row = (yield _ask(self._target, repository)).first()
        if row is None:
            return None
        id_, state, used, quota, most = row
        if quota is None:
            most = self._registry.services.database.quota_default or None
        if state != "NORMAL" or (most is not None and used is not None and used >= most):
            return None
        upload = new_upload(self._registry.services.database.vault, id_)
        headers = begun_headers(repository, upload, self._registry.services)
        return HotAnswer(headers, b"", 0, held.identity.name, "202 Accepted")


def _ask(query: Prepared, repository: RepositoryName, **values: str | int) -> Ask:
    return Ask(query, {"namespace": repository.namespace, "name": repository.name, **values})


def find_grant(registry: Registry, request: HotRequest) -> Grant | None:
    """What the request's token allows, if the views have seen it before."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return registry.tokens.verified(token.strip()) if kind.lower() == "bearer" else None


class _Contents:
    """The manifests read last, by digest, up to a number of bytes. What a digest names never changes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def get(self, digest: str) -> bytes | None:
        content = self._kept.get(digest)
        if content is not None:
            self._kept.move_to_end(digest)
        return content

    def put(self, digest: str, content: bytes) -> bytes:
        if digest not in self._kept:
            self._kept[digest] = content
            self._size += len(content)
        while self._size > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest)
        return content


def _answer(request: HotRequest, held: Grant, headers: dict[str, str], body: bytes) -> HotAnswer:
    return HotAnswer(headers, b"" if request.method == "HEAD" else body, len(body), held.identity.name)
