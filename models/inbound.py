"""Deliveries of webhooks: each is judged, answered and kept with its verdict, and can be repeated."""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from sqlalchemy import delete, func, select

from models import triggers
from models.access import ANONYMOUS, Identity
from models.errors import DomainError, Invalid, NotFound
from models.forges import bitbucket, custom, gitea, github, gitlab
from models.forges.push import LONGEST_REF, Forge, Headers, Ignored, Json, Push
from models.session import Session
from models.tables import Build, InboundEvent, Trigger
from models.tables.base import now
from models.tables.triggers import Service, Verdict
from models.trigger_config import git_url, ref_kind, unwanted

KEPT_FOR = timedelta(days=30)
KEPT_EACH = 500
"""Deliveries of one trigger, the newest."""
KEPT_BYTES = 32 * 1024 * 1024
"""Of their payloads, compressed; so many of the newest as fit."""
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # written as an escape; a backslash before it would make it plain text
_SHOWN_HEADERS = ("content-type", "user-agent")
FORGES: Mapping[Service, Forge] = {
    "custom-git": custom.FORGE,
    "github": github.FORGE,
    "gitlab": gitlab.FORGE,
    "bitbucket": bitbucket.FORGE,
    "gitea": gitea.FORGE,
}


@dataclass(frozen=True)
class Delivery:
    """A request as it came, its headers' names in lower case. `token`: whether it carried the trigger's write token."""

    headers: Headers
    body: bytes
    ip: str | None
    token: bool


@dataclass(frozen=True)
class Judged:
    """What became of a delivery. `problem`: what the sender is answered, where it was refused."""

    verdict: Verdict
    reason: str
    build: Build | None = None
    problem: DomainError | None = None


def pack(body: bytes) -> bytes:
    """The body of a delivery, as it is kept."""
    return zlib.compress(body)


def forge_for(trigger: Trigger, headers: Headers) -> Forge:
    """How this delivery is to be read: as its forge's, and for custom git as whoever's it is."""
    return custom.forge_of(headers) if trigger.service == "custom-git" else FORGES[trigger.service]


def verified_by(session: Session, trigger: Trigger, delivery: Delivery) -> str | None:
    """By what the sender is known: its signature, or the write token; None if by nothing.

    A signature that is there and wrong is not made up for by a token.
    """
    forge = forge_for(trigger, delivery.headers)
    secret = triggers.hook_secret(session, trigger)
    signed = forge.verify(delivery.headers, delivery.body, secret) if secret else None
    if signed is not None:
        return "signature" if signed else None
    return "token" if delivery.token else None


def known_delivery(session: Session, trigger: Trigger, headers: Headers) -> InboundEvent | None:
    """The delivery of the same id that came before and was not refused, if any."""
    delivery_id = forge_for(trigger, headers).delivery(headers)
    if delivery_id is None:
        return None
    same = (InboundEvent.trigger_id == trigger.id, InboundEvent.delivery_id == delivery_id[:255])
    return session.scalar(select(InboundEvent).where(*same))


def receive(
    session: Session, trigger: Trigger, delivery: Delivery, verified: str, packed: bytes, *, limit: int | None
) -> Judged:
    """Judge a delivery and keep it; what it asks for is in the queue when this transaction commits.

    `verified` and `packed`: what `verified_by` and `pack` said of it. `limit`: how many builds may wait or run in the
    namespace. A delivery that came before starts nothing again.
    """
    if known_delivery(session, trigger, delivery.headers):
        return Judged("ignored", "this delivery came before")
    forge = forge_for(trigger, delivery.headers)
    event = forge.event(delivery.headers)[:80]
    judged = _judge(session, trigger, forge, event, delivery.body, actor=ANONYMOUS.at(delivery.ip), limit=limit)
    delivery_id = forge.delivery(delivery.headers)
    kept = InboundEvent(
        trigger_id=trigger.id,
        # One that was refused may come again.
        delivery_id=delivery_id[:255] if delivery_id and judged.verdict != "refused" else None,
        event=event,
        ip=delivery.ip,
        headers=_shown(delivery.headers, forge),
        payload=packed,
        verified=verified,
        verdict=judged.verdict,
        reason=judged.reason,
        build_uuid=judged.build.uuid if judged.build else None,
    )
    session.add(kept)
    _forget_old(session, trigger)
    return judged


def redeliver(
    session: Session, trigger: Trigger, event: InboundEvent, *, actor: Identity, limit: int | None
) -> InboundEvent:
    """Judge a kept delivery again, as if it had just come; what becomes of it is kept as another one."""
    forge = forge_for(trigger, event.headers)
    body = zlib.decompress(event.payload)
    judged = _judge(session, trigger, forge, event.event, body, actor=actor, limit=limit)
    again = InboundEvent(
        trigger_id=trigger.id,
        event=event.event,
        ip=actor.ip,
        headers=event.headers,
        payload=event.payload,
        verified="redelivery",
        verdict=judged.verdict,
        reason=judged.reason,
        build_uuid=judged.build.uuid if judged.build else None,
        redelivery_of=event.uuid,
    )
    session.add(again)
    session.flush()
    _forget_old(session, trigger)
    return again


def list_deliveries(session: Session, trigger: Trigger, *, before: int, limit: int) -> Sequence[InboundEvent]:
    """The trigger's deliveries, newest first, those before the row `before` if it is not 0."""
    query = select(InboundEvent).where(InboundEvent.trigger_id == trigger.id)
    if before:
        query = query.where(InboundEvent.id < before)
    return session.scalars(query.order_by(InboundEvent.id.desc()).limit(limit)).all()


def get_delivery(session: Session, trigger: Trigger, uuid: str) -> InboundEvent:
    """One of the trigger's deliveries; NotFound."""
    found = session.scalar(select(InboundEvent).where(InboundEvent.trigger_id == trigger.id, InboundEvent.uuid == uuid))
    if found is None:
        raise NotFound("Not Found")
    return found


def payload_of(event: InboundEvent) -> str:
    """The delivery's body as it came."""
    return zlib.decompress(event.payload).decode(errors="replace")


def forget_expired(session: Session, *, batch: int = 1000) -> int:
    """Remove deliveries older than KEPT_FOR, `batch` at most; how many they were."""
    old = select(InboundEvent.id).where(InboundEvent.received_at < now() - KEPT_FOR).limit(batch)
    found = session.scalars(old).all()
    session.execute(delete(InboundEvent).where(InboundEvent.id.in_(found)))
    return len(found)


def _judge(
    session: Session,
    trigger: Trigger,
    forge: Forge,
    event: str,
    body: bytes,
    *,
    actor: Identity,
    limit: int | None,
) -> Judged:
    try:
        push = _wanted(trigger, forge, event, body)
        with session.begin_nested():
            build = _start(session, trigger, push, actor=actor, limit=limit)
    except Ignored as exc:
        return Judged("ignored", str(exc))
    except DomainError as exc:
        return Judged("refused", exc.detail, problem=exc)
    return Judged("fired", f"build of {push.commit[:7]} ({push.ref})", build)


def _wanted(trigger: Trigger, forge: Forge, event: str, body: bytes) -> Push:
    """The push that a delivery tells of, if the trigger shall act on it; Ignored, Invalid."""
    if event in forge.pings:
        raise Ignored("the forge asked whether anybody is here")
    push = forge.read(event, _parsed(body))
    if (reason := unwanted(trigger.config, push.ref)) is not None:
        raise Ignored(reason)
    return push


def _start(session: Session, trigger: Trigger, push: Push, *, actor: Identity, limit: int | None) -> Build:
    if not trigger.enabled:
        raise Invalid("This build trigger is currently disabled. Please re-enable to continue.")
    # The trigger's own address, never the payload's: that one is whatever the sender likes.
    metadata = push.metadata(git_url(trigger.service, trigger.config))
    if ref_kind(push.ref) is None or len(push.ref) > LONGEST_REF:
        raise Invalid("ref: expected refs/heads/… or refs/tags/…")
    return triggers.start_trigger(session, trigger, metadata, actor=actor, manual=False, limit=limit)


def _parsed(body: bytes) -> Json:
    """The payload: JSON, or a form whose field `payload` is JSON, as GitHub can send it."""
    try:
        text = body.decode()  # json alone would take UTF-16 and UTF-32, too
        if text.startswith("payload="):
            text = parse_qs(text, keep_blank_values=True)["payload"][0]
        payload: Any = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise Invalid("The payload is not valid JSON") from exc
    if not isinstance(payload, dict):
        raise Invalid("payload: expected a JSON object")
    if _NUL.search(text):
        raise Invalid("payload: the NUL character is not allowed")
    try:
        json.dumps(payload, ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:
        raise Invalid("payload: expected whole characters, not halves of a surrogate pair") from exc
    return payload


def _shown(headers: Headers, forge: Forge) -> dict[str, Any]:
    """The headers worth keeping; none that is a secret or made from one."""
    names = (*_SHOWN_HEADERS, forge.event_header, forge.delivery_header)
    return {name: headers[name][:255] for name in names if name and name in headers}


def _forget_old(session: Session, trigger: Trigger) -> None:
    mine = InboundEvent.trigger_id == trigger.id
    sizes = select(InboundEvent.id, func.length(InboundEvent.payload)).where(mine).order_by(InboundEvent.id.desc())
    kept = 0
    for number, (id_, size) in enumerate(session.execute(sizes.limit(KEPT_EACH + 1))):
        kept += size
        if number == KEPT_EACH or kept > KEPT_BYTES:
            old = delete(InboundEvent).where(mine, InboundEvent.id <= id_)
            session.execute(old.execution_options(synchronize_session=False))
            return
