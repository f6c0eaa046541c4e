"""Telling how builds go: queued, begun, ended. Each is written in the transaction that makes it so."""

import json
from typing import Any

from sqlalchemy import select

from models.access import Identity
from models.announcements import Happening, announce
from models.notification_methods import Subject
from models.session import Session
from models.tables import Build, Manifest
from models.tables.jobs import JobResult

_ENDS: dict[JobResult, str] = {
    "success": "build_success",
    "error": "build_failure",
    "internalerror": "build_failure",
    "cancelled": "build_cancelled",
}


def queued(session: Session, build: Build, *, actor: Identity) -> None:
    """The build waits for a worker."""
    manual = build.manual_user is not None
    _announce(session, build, "build_queued", actor.name, is_manual=manual, manual_user=build.manual_user)


def started(session: Session, build: Build) -> None:
    """A worker has begun."""
    _announce(session, build, "build_start", None)


def ended(
    session: Session, build: Build, result: JobResult, *, error: str | None = None, actor: Identity | None = None
) -> None:
    """The build has ended, whatever ended it. `actor`: who cancelled it before it began."""
    more: dict[str, Any] = {}
    if result == "success":
        more = {"image_id": _image_id(session, build), "manifest_digests": [build.image_digest]}
    elif result != "cancelled":
        more = {"error_message": error}
    _announce(session, build, _ENDS[result], actor.name if actor else None, **more)


def _announce(session: Session, build: Build, event: str, performer: str | None, **more: Any) -> None:
    repository, trigger = build.repository, build.trigger
    data = {
        "build_id": build.uuid,
        "build_name": build.display_name,
        "docker_tags": build.tags,
        "trigger_id": trigger.uuid if trigger else None,
        "trigger_kind": trigger.service if trigger else None,
        "trigger_metadata": build.trigger_metadata,
        **more,
    }
    subject = Subject(repository.namespace, repository)
    announce(session, subject, Happening(event, data, f"/build/{build.uuid}", performer))


def _image_id(session: Session, build: Build) -> str | None:
    """What the engine calls the image: the digest of its configuration."""
    query = select(Manifest.content).where(
        Manifest.repository_id == build.repository_id, Manifest.digest == build.image_digest
    )
    content = session.scalar(query)
    digest = json.loads(content).get("config", {}).get("digest") if content else None
    return digest if isinstance(digest, str) else None
