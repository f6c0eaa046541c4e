"""Pushes and pulls without HTTP, by the functions behind the views: for tests of what stays and what goes."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, select, update

from models.access import Identity
from models.session import Session
from models.tables import BuildCache, Manifest, RepositoryBlob, Tag, Upload
from models.tags import remove_tag
from registry.blobs import find_blob, mount_blob
from registry.errors import BlobUnknown, ManifestUnknown
from registry.manifest_format import OCI_INDEX, OCI_MANIFEST
from registry.manifests import fetch_manifest, parse_pushed, put_manifest, remove_manifest
from registry.names import Digest, RepositoryName, parse_reference
from registry.repositories import ensure_writable, existing, writable
from registry.services import Services
from registry.uploads import Body, begin_upload, receive_and_finish

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass
class Pusher:
    """Pushes into one repository, which the first push makes."""

    services: Services
    actor: Identity
    path: str = "acme/app"

    @property
    def name(self) -> RepositoryName:
        return RepositoryName.parse(self.path)

    def at(self, path: str) -> "Pusher":
        return Pusher(self.services, self.actor, path)

    def blob(self, data: bytes) -> str:
        """Push the blob; its digest."""
        digest = Digest.of(data)
        upload = begin_upload(self.services, self.repository_id())
        receive_and_finish(self.services, upload, Body(iter([data])), digest)
        return str(digest)

    def mount(self, digest: str, source: "Pusher") -> bool:
        repository_id, actor = self.repository_id(), self.actor

        def mount(session: Session) -> bool:
            return mount_blob(session, repository_id, Digest.parse(digest), source=source.name, actor=actor)

        return self.services.database.apply(mount)

    def image(self, tag: str | None, *layers: bytes, subject: str | None = None, config: bytes = b"{}") -> str:
        """Push an image and name it; without a tag by digest only. The digest of its manifest."""
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": CONFIG, "digest": self.blob(config), "size": len(config)},
            "layers": [{"mediaType": LAYER, "digest": self.blob(data), "size": len(data)} for data in layers],
        }
        return self.manifest(tag, _about(document, subject))

    def index(self, tag: str | None, *children: str, subject: str | None = None) -> str:
        manifests = [{"mediaType": OCI_MANIFEST, "digest": digest, "size": 1} for digest in children]
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
        return self.manifest(tag, _about(document, subject))

    def manifest(self, tag: str | None, document: dict[str, Any]) -> str:
        content = json.dumps(document).encode()
        digest, parsed = parse_pushed(content, document["mediaType"], tag or Digest.of(content))
        tags, actor, name = [tag] if tag else [], self.actor, self.name
        protection_s = self.services.settings.PUSH_TEMP_TAG_EXPIRATION_SEC
        self.repository_id()

        def store(session: Session) -> None:
            target = writable(session, name)
            put_manifest(session, target, content, digest, parsed, tags=tags, actor=actor, protection_s=protection_s)

        self.services.database.apply(store)
        return str(digest)

    def untag(self, tag: str) -> None:
        with self.services.database.write() as session:
            remove_tag(session, existing(session, self.name), tag, actor=self.actor)

    def remove(self, digest: str) -> None:
        with self.services.database.write() as session:
            remove_manifest(session, existing(session, self.name), Digest.parse(digest), actor=self.actor)

    def pull(self, reference: str) -> None:
        """Read the manifest and all it refers to, comparing every digest. ManifestUnknown, BlobUnknown."""
        with self.services.database.read() as session:
            stored = fetch_manifest(session, self.name, parse_reference(reference))
        assert str(Digest.of(stored.content)) == stored.digest
        document = json.loads(stored.content)
        for child in document.get("manifests", ()):
            self.pull(child["digest"])
        for blob in (document["config"], *document["layers"]) if "layers" in document else ():
            self.pull_blob(blob["digest"])

    def pull_blob(self, digest: str) -> bytes:
        with self.services.database.read() as session:
            blob = find_blob(session, self.name, Digest.parse(digest))
        data = self.services.storage.read(blob.path)
        assert len(data) == blob.size
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == digest
        return data

    def repository_id(self) -> int:
        """Of the repository, which is made if it is missing."""
        return ensure_writable(self.services.database, self.services.settings, self.name, actor=self.actor)

    def has(self, reference: str) -> bool:
        """Whether the manifest can be pulled; it must never be there in part."""
        try:
            self.pull(reference)
        except ManifestUnknown:
            return False
        return True

    def has_blob(self, digest: str) -> bool:
        try:
            self.pull_blob(digest)
        except BlobUnknown:
            return False
        return True


def age(services: Services, by: timedelta) -> None:
    """Let everything that is in the database have happened so much earlier."""
    with services.database.write() as session:
        for moment in (Manifest.touched_at, RepositoryBlob.linked_at, Upload.updated_at, BuildCache.used_at):
            table, column = moment.class_.__table__, moment.key
            key = [part.name for part in table.primary_key]
            rows = session.execute(select(*(table.c[name] for name in (*key, column)))).all()
            changed = [{f"old_{name}": getattr(row, name) for name in key} | {column: row[-1] - by} for row in rows]
            if changed:
                which = [table.c[name] == bindparam(f"old_{name}") for name in key]
                session.run(table.update().where(*which).values({column: bindparam(column)}), changed)
        ms = int(by.total_seconds() * 1000)
        session.execute(update(Tag).values(start_ms=Tag.start_ms - ms, end_ms=Tag.end_ms - ms))


def stored_paths(services: Services) -> set[str]:
    """Every object in storage."""
    return set(_paths(services))


def _paths(services: Services) -> Iterator[str]:
    return (path for path, _ in services.storage.list(""))


def _about(document: dict[str, Any], subject: str | None) -> dict[str, Any]:
    if subject is None:
        return document
    return document | {"subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}}
