"""PUT of manifests and of small blobs without the web framework, in one transaction those that come together.

Only what succeeds is answered here, as in `registry.v2.hot`; the views do everything else and have the last word.
"""

import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from models import metrics
from models.dialect import is_full
from models.errors import DomainError
from models.session import Session
from models.tables import Repository
from registry.errors import RegistryError
from registry.labels import KnownWishes
from registry.manifest_pushes import ManifestPush, put_manifests
from registry.manifests import parse_pushed
from registry.names import Digest, Malformed, RepositoryName, parse_reference
from registry.paths import new_blob_path
from registry.repositories import push_target
from registry.small_blobs import SmallBlob, publish_small
from registry.tokens import Grant
from registry.v2.context import Registry, seen
from registry.v2.hot import HotAnswer, HotRequest, find_grant
from registry.v2.manifests import stored_headers
from registry.v2.uploads import created_headers
from storage.driver import StorageError

log = logging.getLogger(__name__)

SMALL = 64 << 10
"""Bytes up to which a body is taken in one piece."""
AT_ONCE = 8
"""Blobs that wait for the disk at the same time: it makes them durable together."""
_ROUTE = re.compile(r"/v2/([a-z0-9._/-]+)/(?:manifests/([A-Za-z0-9._:-]+)|blobs/uploads/([0-9a-f]+))")
_FAILURES = (DomainError, RegistryError, StorageError, Malformed, SQLAlchemyError)


@dataclass(frozen=True, eq=False)
class _Push:
    """A request that was understood: what it brings, and the answer to it once that is committed."""

    request: HotRequest
    repository: RepositoryName
    answer: HotAnswer
    blob: SmallBlob | None = None
    manifest: Callable[[Repository], ManifestPush] | None = None


class HotPushes:
    """Answers what it can; None means that the views shall answer. For one thread."""

    def __init__(self, registry: Registry) -> None:
        services = registry.services
        self._registry = registry
        self._database = services.database
        self._storage = services.storage
        self._settings = services.settings
        self._wishes = KnownWishes(services)
        self._disk = ThreadPoolExecutor(AT_ONCE, "disk")

    def takes(self, request: HotRequest) -> bool:
        """Whether it is worth a try, before the body has come."""
        return request.method == "PUT" and 0 < request.length <= SMALL and _ROUTE.fullmatch(request.path) is not None

    def answer(self, requests: list[HotRequest]) -> list[HotAnswer | None]:
        """The answers to requests that the registry takes; it waits for the disk and the database."""
        pushes = [self._read(request) for request in requests]
        stored = self._commit(self._kept([push for push in pushes if push is not None]))
        return [push.answer if push in stored else None for push in pushes]

    def _read(self, request: HotRequest) -> _Push | None:
        """What the request asks for, if it is plain and its token allows it."""
        route = _ROUTE.fullmatch(request.path)
        held = find_grant(self._registry, request)
        if route is None or held is None or not held.allows(route[1], "push"):
            return None
        try:
            repository = RepositoryName.parse(route[1])
            if route[2] is not None:
                return self._read_manifest(request, held, repository, route[2])
            return self._read_blob(request, held, repository, route[3])
        except _FAILURES as exc:
            log.debug("a push is left to the views: %s", exc)
            return None

    def _read_manifest(
        self, request: HotRequest, held: Grant, repository: RepositoryName, reference: str
    ) -> _Push | None:
        if request.query or request.length > self._settings.MAXIMUM_MANIFEST_SIZE:
            return None
        wanted = parse_reference(reference)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        digest, parsed = parse_pushed(request.body, media_type or None, wanted)
        manifest = partial(
            ManifestPush,
            content=request.body,
            digest=str(digest),
            parsed=parsed,
            tags=[] if isinstance(wanted, Digest) else [wanted],
            actor=seen(held.identity, request.ip, request.headers.get("user-agent")),
            wishes=self._wishes.find(repository, parsed),
        )
        return _Push(request, repository, _created(stored_headers(repository, digest, parsed), held), manifest=manifest)

    def _read_blob(self, request: HotRequest, held: Grant, repository: RepositoryName, upload: str) -> _Push | None:
        pairs = parse_qsl(request.query, keep_blank_values=True)
        if [name for name, _ in pairs] != ["digest"] or "content-range" in request.headers:
            return None
        digest = Digest.parse(pairs[0][1])
        if request.length > self._settings.MAXIMUM_LAYER_SIZE or Digest.of(request.body, digest.algorithm) != digest:
            return None
        blob = SmallBlob(repository, upload, str(digest), request.length, new_blob_path())
        return _Push(request, repository, _created(created_headers(repository, digest), held), blob=blob)

    def _kept(self, pushes: list[_Push]) -> list[_Push]:
        """The pushes with the bytes of the blobs among them in storage; which is waited for together."""
        blobs = [push for push in pushes if push.blob is not None]
        kept = self._disk.map(self._keep, blobs) if len(blobs) > 1 else map(self._keep, blobs)
        lost = {push for push, safe in zip(blobs, kept, strict=True) if not safe}
        return [push for push in pushes if push not in lost]

    def _keep(self, push: _Push) -> bool:
        try:
            self._storage.write(push.blob.path if push.blob else "", push.request.body)
        except StorageError as exc:
            log.debug("a push is left to the views: %s", exc)
            return False
        return True

    def _commit(self, pushes: list[_Push], *, again: bool = False) -> set[_Push]:
        """Store the pushes in the database; which were. If one fails, they are tried one by one.

        `again`: a transaction that had them may be committed, although its answer was lost.
        """
        try:
            found = self._database.apply(lambda session: self._store(session, pushes)) if pushes else {}
        except _FAILURES as exc:
            again = again or not _is_undone(exc)
            if len(pushes) > 1:
                return {stored for push in pushes for stored in self._commit([push], again=again)}
            log.debug("a push is left to the views: %s", exc)
            if not again:
                self._storage.delete([push.blob.path for push in pushes if push.blob])
            return set()
        for push in pushes:
            self._settle(push, found, again=again)
        return {push for push in pushes if push.blob is None or push.blob in found}

    def _store(self, session: Session, pushes: list[_Push]) -> dict[SmallBlob, str]:
        """Where the bytes of each blob are that was stored."""
        blobs = [push.blob for push in pushes if push.blob is not None]
        found = publish_small(session, blobs) if blobs else {}
        targets = {name: push_target(session, name) for name in {push.repository for push in pushes if push.manifest}}
        manifests = [push.manifest(targets[push.repository]) for push in pushes if push.manifest]
        if manifests:
            put_manifests(session, manifests, protection_s=self._settings.PUSH_TEMP_TAG_EXPIRATION_SEC)
        return found

    def _settle(self, push: _Push, found: dict[SmallBlob, str], *, again: bool) -> None:
        """Count the push; take away the bytes of a blob that are not needed, unless a blob may lie there by now."""
        if push.blob is None:
            metrics.pushed()
            return
        lies_at = found.get(push.blob)
        if lies_at is not None:
            metrics.blob_bytes("in", push.blob.size)
        if lies_at != push.blob.path and not (again and lies_at is None):
            self._storage.delete([push.blob.path])


def _is_undone(error: Exception) -> bool:
    """Whether the transaction has certainly done nothing. Else a blob may lie at what was written for it."""
    if isinstance(error, OperationalError):
        return is_full(error)
    return not isinstance(error, SQLAlchemyError) or isinstance(error, IntegrityError)


def _created(headers: dict[str, str], held: Grant) -> HotAnswer:
    return HotAnswer(headers, b"", 0, held.identity.name, "201 Created")
