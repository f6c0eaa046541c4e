"""Changes to a tag by hand: what it means, when it ends, whether it may change; and its past, brought back."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, tuple_, update

from models import audit
from models.access import Identity, may
from models.errors import Forbidden, Invalid, NotFound, TagImmutable
from models.session import Session
from models.tables import Manifest, ManifestBlob, ManifestChild, Repository, RepositoryBlob, Tag
from models.tags import TagPush, lock_tag, now_ms, put_tag, put_tags


def move_tag(session: Session, repository: Repository, name: str, digest: str, *, actor: Identity) -> None:
    """Let the tag mean the manifest, which has to be served. NotFound, TagImmutable. Quay operation changeTag."""
    manifest = _locked(session, repository, digest)
    if manifest is None or manifest.deleted_at is not None:
        raise NotFound(f"The repository has no manifest {digest}")
    put_tag(session, repository, name, manifest.id, digest, actor=actor)


def restore_tag(session: Session, repository: Repository, name: str, digest: str, *, actor: Identity) -> None:
    """Let the tag mean a manifest again that is still kept, be it deleted. NotFound, TagImmutable.

    A manifest is kept while it is in the history of a tag, for as long as the namespace wants. Quay operation
    restoreTag.
    """
    manifest = _locked(session, repository, digest)
    if manifest is None:
        raise NotFound(f"The repository has no manifest {digest}, or no longer")
    _serve_again(session, manifest)
    push = TagPush(repository, name, manifest.id, digest, actor, reversion=True)
    audit.record_all(session, put_tags(session, [push]))


def change_expiration(
    session: Session, repository: Repository, name: str, expires: datetime | None, *, actor: Identity
) -> None:
    """Let the tag end at that moment, or never. NotFound, TagImmutable; Invalid if the moment is past."""
    tag = lock_tag(session, repository, name)
    if tag.immutable:
        raise TagImmutable(name)
    expires_ms = None if expires is None else int(expires.timestamp() * 1000)
    if expires_ms is not None and expires_ms <= now_ms():
        raise Invalid(
            f"expiration: expected a moment that is to come, as Unix time in seconds, got {expires_ms // 1000}"
        )
    before, tag.expires_ms = tag.expires_ms, expires_ms
    old, new = _shown(before), _shown(expires_ms)
    _record(session, "change_tag_expiration", tag, repository, actor, expiration_date=new, old_expiration_date=old)


def change_immutability(
    session: Session, repository: Repository, name: str, *, immutable: bool, actor: Identity
) -> None:
    """Protect the tag from every change, or stop to, which takes an administrator of the repository.

    NotFound, Forbidden; Invalid if the tag is going to end.
    """
    tag = lock_tag(session, repository, name)
    if tag.immutable == immutable:
        return
    if immutable and tag.expires_ms is not None:
        raise Invalid(f"immutable: tag {name} expires; clear its expiration first")
    if not immutable and not may(session, actor, repository, "admin"):
        raise Forbidden("Only an administrator of the repository may make a tag mutable again")
    tag.immutable = immutable
    _record(session, "change_tag_immutability", tag, repository, actor, immutable=immutable)


def _record(session: Session, kind: str, tag: Tag, repository: Repository, actor: Identity, /, **detail: Any) -> None:
    digest = tag.manifest.digest
    audit.record(session, kind, actor=actor, repository=repository, tag=tag.name, manifest_digest=digest, **detail)


def _locked(session: Session, repository: Repository, digest: str) -> Manifest | None:
    """The manifest, served or not, locked against being deleted or collected before a tag names it."""
    query = select(Manifest).where(Manifest.repository_id == repository.id, Manifest.digest == digest)
    return session.scalar(query.with_for_update(read=True, key_share=True))


def _serve_again(session: Session, manifest: Manifest) -> None:
    """Serve the manifest and, if it is an index, everything below it."""
    level, seen = {manifest.id}, set[int]()
    while level:
        session.execute(update(Manifest).where(Manifest.id.in_(level)).values(deleted_at=None))
        _show_blobs(session, level)
        seen |= level
        children = select(ManifestChild.child_id).where(ManifestChild.parent_id.in_(level))
        level = set(session.scalars(children)) - seen


def _show_blobs(session: Session, manifest_ids: set[int]) -> None:
    """Let the repository have what the manifests need, all of it, whoever deletes some at this moment."""
    needed = select(ManifestBlob.repository_id, ManifestBlob.blob_id).where(ManifestBlob.manifest_id.in_(manifest_ids))
    links = tuple_(RepositoryBlob.repository_id, RepositoryBlob.blob_id).in_(needed)
    shown = update(RepositoryBlob).where(links).values(hidden=False)
    session.execute(shown.execution_options(synchronize_session=False))


def _shown(unix_ms: int | None) -> str | None:
    return None if unix_ms is None else datetime.fromtimestamp(unix_ms // 1000, UTC).isoformat()
