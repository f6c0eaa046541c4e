"""Secrets that a trigger's builds get. Values are encrypted; only names are ever told."""

from collections.abc import Sequence

from sqlalchemy import func, select

from models import audit
from models.access import Identity
from models.build_options import MOST_SECRETS, check_secret
from models.errors import Conflict, NotFound
from models.session import Session
from models.tables import Trigger, TriggerSecret
from models.tables.base import now


def list_secrets(session: Session, trigger: Trigger) -> Sequence[TriggerSecret]:
    """The trigger's secrets, by name."""
    query = select(TriggerSecret).where(TriggerSecret.trigger_id == trigger.id)
    return session.scalars(query.order_by(TriggerSecret.name)).all()


def put_secret(session: Session, trigger: Trigger, name: str, value: str, *, actor: Identity) -> TriggerSecret:
    """Keep the secret, in place of the one there was of that name; Invalid, Conflict."""
    check_secret(name, value)
    mine = TriggerSecret.trigger_id == trigger.id
    found = session.scalar(select(TriggerSecret).where(mine, TriggerSecret.name == name).with_for_update())
    if found is None:
        if (session.scalar(select(func.count()).select_from(TriggerSecret).where(mine)) or 0) >= MOST_SECRETS:
            raise Conflict(f"the trigger has {MOST_SECRETS} secrets already, which is the most")
        found = TriggerSecret(trigger_id=trigger.id, name=name)
        session.add(found)
    found.encrypted_value, found.changed_at = session.vault.encrypt(value), now()
    session.flush()
    _record(session, "set_trigger_secret", trigger, name, actor)
    return found


def remove_secret(session: Session, trigger: Trigger, name: str, *, actor: Identity) -> None:
    """Forget the secret; NotFound."""
    mine = (TriggerSecret.trigger_id == trigger.id, TriggerSecret.name == name)
    found = session.scalar(select(TriggerSecret).where(*mine))
    if found is None:
        raise NotFound("Not Found")
    session.delete(found)
    _record(session, "delete_trigger_secret", trigger, name, actor)


def secrets_of(session: Session, trigger: Trigger) -> dict[str, str]:
    """The values by name, for the worker that builds."""
    return {row.name: session.vault.decrypt(row.encrypted_value) for row in list_secrets(session, trigger)}


def _record(session: Session, kind: str, trigger: Trigger, name: str, actor: Identity) -> None:
    audit.record(
        session,
        kind,
        actor=actor,
        repository=trigger.repository,
        trigger_id=trigger.uuid,
        service=trigger.service,
        secret=name,
    )
