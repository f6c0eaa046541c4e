"""Exports of the action log: asked for, written to storage by a worker, fetched by whoever has the link.

The link is a secret as long as the file is there. The other party that asked is told of the end by a request to its
address or by mail, whatever the end is.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import delete, func, select

from config.settings import Settings
from models import audit, deliveries, jobs, mail
from models.access import Identity
from models.addresses import Allowed
from models.dates import http_date
from models.errors import Invalid, TooMany
from models.jobs import Lost
from models.logs import SERVICE_KINDS, Search, accounts_in, list_logs, place_of, shown
from models.mail import is_address
from models.notification_methods import check_url
from models.redaction import without_query
from models.session import Session
from models.tables import Account, Job, LogExport, Repository
from models.tables.base import now

KIND = "export_logs"
QUEUE = "reports"
CALLBACK = "export_callback"
"""The kind of the deliveries that tell of an export's end by a request."""
MOST_OPEN = 3
"""Exports that wait or run of one namespace or repository."""
Status = Literal["success", "failed", "timedout"]
"""How an export ends, in Quay's words."""


@dataclass(frozen=True)
class Wish:
    """What to export, and whom to tell."""

    namespace: Account
    repository: Repository | None
    start: datetime
    end: datetime
    callback_url: str | None = None
    callback_email: str | None = None


def queue_export(session: Session, settings: Settings, wish: Wish, *, actor: Identity) -> LogExport:
    """Have a worker export the log. Invalid: whom to tell; TooMany.

    Quay operations exportRepoLogs, exportOrgLogs, exportUserLogs.
    """
    if wish.callback_url:
        check_url(wish.callback_url, Allowed(settings.OUTBOUND_ALLOWED_PRIVATE_HOSTS), "Invalid callback URL")
    if wish.callback_email and not is_address(wish.callback_email):
        raise Invalid("Invalid callback e-mail")
    _check_room(session, wish)
    job = jobs.enqueue(session, kind=KIND, queue=QUEUE, namespace=None)
    told = {"url": wish.callback_url, "email": wish.callback_email}
    export = LogExport(
        uuid=job.uuid,
        namespace=wish.namespace.name,
        namespace_id=wish.namespace.id,
        repository=wish.repository.name if wish.repository else None,
        repository_id=wish.repository.id if wish.repository else None,
        start=wish.start,
        end=wish.end,
        encrypted_callback=session.vault.encrypt(json.dumps(told)),
        performer_id=actor.account_id,
        performer=actor.performer,
    )
    session.add(export)
    session.flush()
    audit.record(
        session,
        "export_logs_success",
        actor=actor,
        namespace=wish.namespace,
        repository=wish.repository,
        export_id=export.uuid,
        url=without_query(wish.callback_url or "") or None,
        email=wish.callback_email,
    )
    return export


def find_export(session: Session, uuid: str) -> LogExport | None:
    return session.scalar(select(LogExport).where(LogExport.uuid == uuid))


def link(settings: Settings, uuid: str) -> str:
    """Where the file is fetched; only this installation can make the address."""
    return f"{settings.url}/exportedlogs/{uuid}-{key_of(settings, uuid)}"


def opens(settings: Settings, uuid: str, key: str) -> bool:
    """Whether it is the key in the export's link."""
    return hmac.compare_digest(key_of(settings, uuid).encode(), key.encode())


def key_of(settings: Settings, uuid: str) -> str:
    secret = settings.secret_key.get_secret_value().encode()
    return hmac.new(secret, f"exported log {uuid}".encode(), hashlib.sha256).hexdigest()


def entries_of(session: Session, export: LogExport, *, after: int, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The next entries, as Quay shows them, and the place of the last; the newest come first."""
    search = Search(
        export.start,
        export.end,
        namespace_id=export.namespace_id,
        repository_id=export.repository_id,
        without=SERVICE_KINDS,
    )
    found = list_logs(session, search, after=after, limit=limit)
    accounts = accounts_in(session, found)
    told = [shown(entry, accounts) | {"datetime": http_date(entry.at)} for entry in found]
    return told, place_of(found[-1]) if found else after


def details_of(export: LogExport) -> dict[str, Any]:
    """What the file says of itself."""
    return {
        "start_time": http_date(export.start),
        "end_time": http_date(export.end),
        "namespace": export.namespace,
        "repository": export.repository,
    }


def conclude(
    session: Session, settings: Settings, uuid: str, status: Status, *, error: str | None = None, size: int = 0
) -> None:
    """Write down how the export ended, in the transaction that ends its job, and have whom it may concern told."""
    export = session.scalars(select(LogExport).where(LogExport.uuid == uuid)).one()
    export.status, export.error, export.size = status, error, size
    export.expires_at = now() + timedelta(seconds=settings.EXPORT_ACTION_LOGS_SECONDS)
    told = json.loads(session.vault.decrypt(export.encrypted_callback)) if export.encrypted_callback else {}
    export.encrypted_callback = None
    if status != "success":
        _record_failure(session, export, told, error)
    if told.get("url"):
        deliveries.send(session, CALLBACK, {"url": told["url"], "content": _content(settings, export)})
    if told.get("email") and settings.FEATURE_MAILING:
        _mail(session, settings, export, told["email"])


def record_lost(session: Session, settings: Settings, lost: Lost) -> None:
    """Write down, in the transaction that ended it, that an export lost its worker for good."""
    if lost.kind == KIND and lost.outcome != "queued" and find_export(session, lost.uuid) is not None:
        conclude(session, settings, lost.uuid, "failed", error=lost.error)


def expired(session: Session, *, limit: int) -> list[str]:
    """The exports whose time is over."""
    query = select(LogExport.uuid).where(LogExport.expires_at <= now()).order_by(LogExport.expires_at)
    return list(session.scalars(query.limit(limit)))


def forget(session: Session, uuids: list[str]) -> None:
    """Forget exports whose files are gone."""
    session.execute(delete(LogExport).where(LogExport.uuid.in_(uuids)))


def path_of(uuid: str) -> str:
    """Where in storage the file lies."""
    return f"exports/{uuid}.json"


def _check_room(session: Session, wish: Wish) -> None:
    mine = select(func.count()).select_from(LogExport).join(Job, Job.uuid == LogExport.uuid)
    subject = LogExport.namespace_id == wish.namespace.id
    if session.scalars(mine.where(subject, Job.state.in_(jobs.OPEN))).one() >= MOST_OPEN:
        raise TooMany(f"{MOST_OPEN} exports of {wish.namespace.name} are under way; wait for one of them")


def _content(settings: Settings, export: LogExport) -> dict[str, Any]:
    """What a callback gets, in Quay's words."""
    last = export.end - timedelta(microseconds=1)
    return {
        "export_id": export.uuid,
        "start_time": f"{export.start.astimezone(UTC):%m/%d/%Y}",
        "end_time": f"{last.astimezone(UTC):%m/%d/%Y}",
        "namespace": export.namespace,
        "repository": export.repository,
        "exported_data_url": link(settings, export.uuid) if export.status == "success" else None,
        "status": export.status,
    }


def _mail(session: Session, settings: Settings, export: LogExport, to: str) -> None:
    of = f"{export.namespace}/{export.repository}" if export.repository else export.namespace
    if export.status == "success":
        hours = settings.EXPORT_ACTION_LOGS_SECONDS / 3600
        text = (
            f"The log of {of} that you asked for is ready. For {hours:g} hours you can fetch it here, without signing "
            f"in, and so can everybody who has this address:\n\n{link(settings, export.uuid)}\n"
        )
    else:
        text = f"The log of {of} that you asked for could not be exported: {export.error}\n"
    mail.send(session, to=to, subject=f"The log of {of}", text=f"{text}\nExport {export.uuid}\n")


def _record_failure(session: Session, export: LogExport, told: dict[str, Any], error: str | None) -> None:
    audit.record(
        session,
        "export_logs_failure",
        actor=Identity(kind="user", account_id=export.performer_id, name=export.performer),
        namespace=session.get(Account, export.namespace_id),
        repository=session.get(Repository, export.repository_id) if export.repository_id else None,
        export_id=export.uuid,
        error=error,
        url=without_query(told.get("url") or "") or None,
        email=told.get("email"),
    )
