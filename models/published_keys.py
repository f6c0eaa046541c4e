"""Public keys of services, published for whoever must know whom to trust (Quay's service keys).

A superuser makes a key pair and is given the private half, once; or a service brings its own public key, which counts
once a superuser has approved it. The keys that sign this registry's own tokens are shown among them.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc.jwk import OKPKey, RSAKey
from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import joinedload

from models import audit
from models.access import Identity
from models.errors import Conflict, Invalid, NotFound, TooMany
from models.session import Session
from models.tables import PublishedKey, ServiceKey, User
from models.tables.base import now
from models.vault import Vault

OWN_SERVICE = "drydock"
"""The service that the registry's own keys belong to."""
BY_SUPERUSER = "Super User API"
BY_ROTATION = "Key Rotation"
AUTOMATICALLY = "Automatic"
UNAPPROVED_LIFE = timedelta(days=1)
MOST_UNAPPROVED = 100
LONGEST_NAME = 255
_NAME = re.compile(r"[\s\w:/-]*", re.ASCII)
LARGEST_METADATA = 16 * 1024
_RSA_BITS = 2048
_LAST_SECOND = 253_402_300_799  # of the year 9999


def list_keys(session: Session) -> list[PublishedKey]:
    """Every key, the registry's own first, then the oldest. Quay operation listServiceKeys."""
    own = session.scalars(select(ServiceKey).order_by(ServiceKey.id))
    query = select(PublishedKey).options(joinedload(PublishedKey.approver)).order_by(PublishedKey.id)
    return [*(_shown(session.vault, key) for key in own), *session.scalars(query)]


def get_key(session: Session, kid: str) -> PublishedKey:
    """The key, whatever its state; NotFound. Quay operation getServiceKey."""
    query = select(PublishedKey).options(joinedload(PublishedKey.approver)).where(PublishedKey.kid == kid)
    if key := session.scalar(query):
        return key
    own = session.scalar(select(ServiceKey).where(ServiceKey.kid == kid))
    if own is None:
        raise NotFound("Not Found")
    return _shown(session.vault, own)


def find_key(session: Session, service: str, kid: str) -> PublishedKey | None:
    """The service's key, whatever its state."""
    try:
        key = get_key(session, kid)
    except NotFound:
        return None
    return key if key.service == service else None


def trusted_keys(session: Session, service: str) -> list[PublishedKey]:
    """The service's keys that are approved and have not expired, oldest first."""
    if service == OWN_SERVICE:
        alive = or_(ServiceKey.expires_at.is_(None), ServiceKey.expires_at > now())
        own = session.scalars(select(ServiceKey).where(alive).order_by(ServiceKey.id))
        return [_shown(session.vault, key) for key in own]
    alive = or_(PublishedKey.expires_at.is_(None), PublishedKey.expires_at > now())
    query = select(PublishedKey).where(PublishedKey.service == service, PublishedKey.approved_at.is_not(None), alive)
    return list(session.scalars(query.order_by(PublishedKey.id)))


def new_pair() -> RSAKey:
    """A key pair for a service; making one takes too long for a transaction."""
    return RSAKey.generate_key(_RSA_BITS)


def create_key(
    session: Session,
    service: str,
    pair: RSAKey,
    *,
    name: str,
    metadata: Mapping[str, Any],
    expires_at: datetime | None,
    notes: str,
    approver: User,
    actor: Identity,
) -> PublishedKey:
    """Let the pair be trusted; its private half is kept nowhere. Invalid. Quay operation createServiceKey."""
    about = {**metadata, "created_by": "Superuser API", "creator": approver.name, "ip": actor.ip}
    key = _new_key(session, service, name=name, jwk=pair.as_dict(private=False), metadata=about, expires_at=expires_at)
    _approve(key, approver, BY_SUPERUSER, notes)
    for kind in ("service_key_create", "service_key_approve"):
        _record(session, kind, key, actor=actor, preshared=True, auto_approved=True)
    return key


def approve_key(session: Session, kid: str, notes: str, *, approver: User, actor: Identity) -> None:
    """Let the key be trusted; nothing if it is already. NotFound. Quay operation approveServiceKey."""
    key = get_key(session, kid)
    if key.approved_at is not None:
        return
    _approve(key, approver, BY_SUPERUSER, _checked_notes(notes))
    _record(session, "service_key_approve", key, actor=actor)


def change_expiry(session: Session, key: PublishedKey, expires_at: datetime | None, *, actor: Identity) -> None:
    """Let the key be trusted until another time; None: for ever. Invalid. Quay operation updateServiceKey."""
    _refuse_own(key)
    _check_expiry(expires_at)
    before, key.expires_at = key.expires_at, expires_at
    _record(session, "service_key_extend", key, actor=actor, old_expiration_date=_told(before))


def describe_key(
    session: Session, key: PublishedKey, *, name: str | None, metadata: Mapping[str, Any] | None, actor: Identity
) -> None:
    """Change what is not None. Invalid. Quay operation updateServiceKey."""
    _refuse_own(key)
    if name is not None:
        key.name = _checked_name(name)
    if metadata is not None:
        key.details = _checked_metadata(metadata)
    _record(session, "service_key_modify", key, actor=actor)


def remove_key(session: Session, kid: str, *, actor: Identity, signer: str | None = None) -> None:
    """Let the key be trusted no more; NotFound. Quay operation deleteServiceKey.

    A key of the registry's own takes the tokens that it signed with it; another one is made when it is needed.
    `signer`: the key that the service signed its wish with.
    """
    key = get_key(session, kid)
    more = {"signer_kid": signer} if signer else {"created_date": _told(key.created_at)}
    _record(session, "service_key_delete", key, actor=actor, **more)
    for table in (PublishedKey, ServiceKey):
        session.execute(delete(table).where(table.kid == kid).execution_options(synchronize_session=False))


def submit_key(
    session: Session, service: str, kid: str, jwk: Mapping[str, Any], *, expires_at: datetime | None, actor: Identity
) -> None:
    """Take a key that a service brings and proved to have; it waits for a superuser's approval. Invalid, Conflict.

    TooMany: more wait than anybody will look at. One that waits for a day is forgotten.
    """
    waiting = PublishedKey.approved_at.is_(None)
    old = delete(PublishedKey).where(waiting, PublishedKey.created_at < now() - UNAPPROVED_LIFE)
    session.execute(old.execution_options(synchronize_session=False))
    if session.scalars(select(func.count()).select_from(PublishedKey).where(waiting)).one() >= MOST_UNAPPROVED:
        raise TooMany("Too many keys wait for approval", retry_after=int(UNAPPROVED_LIFE.total_seconds()))
    key = _new_key(session, service, kid=kid, name="", jwk=jwk, metadata={"ip": actor.ip}, expires_at=expires_at)
    _record(session, "service_key_create", key, actor=actor, preshared=False)


def replace_key(
    session: Session,
    signer: PublishedKey,
    kid: str,
    jwk: Mapping[str, Any],
    *,
    expires_at: datetime | None,
    actor: Identity,
) -> None:
    """Trust a key that a service brings with the signature of one that is trusted. Invalid, Conflict."""
    about = {"ip": actor.ip, "created_by": BY_ROTATION}
    key = _new_key(session, signer.service, kid=kid, name=signer.name, jwk=jwk, metadata=about, expires_at=expires_at)
    _approve(key, None, BY_ROTATION, "")
    _record(session, "service_key_rotate", key, actor=actor, signer_kid=signer.kid)


def moment_of(seconds: float | None) -> datetime | None:
    """The moment that a Unix time means; Invalid."""
    if seconds is None:
        return None
    if not 0 <= seconds <= _LAST_SECOND:
        raise Invalid("expiration: expected a Unix time in seconds")
    return datetime.fromtimestamp(seconds, UTC)


def _new_key(
    session: Session,
    service: str,
    *,
    name: str,
    jwk: Mapping[str, Any],
    metadata: Mapping[str, Any],
    expires_at: datetime | None,
    kid: str | None = None,
) -> PublishedKey:
    if not 1 <= len(service) <= LONGEST_NAME or service == OWN_SERVICE:
        raise Invalid(f"service: expected 1 to {LONGEST_NAME} characters, and another name than {OWN_SERVICE}")
    _check_expiry(expires_at)
    kid = kid or RSAKey.import_key(dict(jwk)).thumbprint()
    taken = [session.scalar(select(table.id).where(table.kid == kid)) for table in (PublishedKey, ServiceKey)]
    if any(taken):
        raise Conflict("kid: there is a key of this id")
    key = PublishedKey(
        kid=kid,
        service=service,
        name=_checked_name(name),
        jwk={"kid": kid, **jwk},
        details=_checked_metadata(metadata),
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    return key


def _approve(key: PublishedKey, approver: User | None, kind: str, notes: str) -> None:
    key.approver, key.approval_type, key.approved_at, key.notes = approver, kind, now(), _checked_notes(notes)


def _shown(vault: Vault, own: ServiceKey) -> PublishedKey:
    """A key of the registry's own as the others are: never in the session, never with its private half."""
    pair = OKPKey.import_key(vault.decrypt(own.encrypted_private_key))
    return PublishedKey(
        kid=own.kid,
        service=OWN_SERVICE,
        name="registry tokens",
        jwk={"kid": own.kid, **pair.as_dict(private=False)},
        details={},
        created_at=own.created_at,
        expires_at=own.expires_at,
        approval_type=AUTOMATICALLY,
        approved_at=own.created_at,
        notes="",
    )


def _refuse_own(key: PublishedKey) -> None:
    if key.service == OWN_SERVICE:
        raise Invalid("A key of the registry's own cannot be changed; it can be deleted, and another one is made")


def _check_expiry(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= now():
        raise Invalid("expiration: expected a moment in the future")


def _checked_name(name: str) -> str:
    if len(name) > LONGEST_NAME:
        raise Invalid(f"name: expected at most {LONGEST_NAME} characters")
    if not _NAME.fullmatch(name):
        raise Invalid(f"Invalid service key friendly name: {name}")
    return name


def _checked_notes(notes: str) -> str:
    if len(notes) > LARGEST_METADATA:
        raise Invalid(f"notes: expected at most {LARGEST_METADATA} characters")
    return notes


def _checked_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    if len(json.dumps(metadata)) > LARGEST_METADATA:
        raise Invalid(f"metadata: expected at most {LARGEST_METADATA} bytes of JSON")
    return dict(metadata)


def _told(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _record(session: Session, kind: str, key: PublishedKey, *, actor: Identity, **more: Any) -> None:
    audit.record(
        session,
        kind,
        actor=actor,
        kid=key.kid,
        service=key.service,
        name=key.name,
        expiration_date=_told(key.expires_at),
        **more,
    )
