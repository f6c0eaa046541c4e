"""Replacing the key that secrets are stored under: everything encrypted is written again under the current one.

So are the hashes of tokens that are kept encrypted as well.
"""

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from models.session import Database, Session
from models.tables import (
    AppToken,
    Base,
    Build,
    Delivery,
    LogExport,
    Notification,
    OAuthApplication,
    RegistryCredential,
    RepositoryToken,
    Robot,
    ServiceKey,
    Trigger,
    TriggerSecret,
)

BATCH = 500
ENCRYPTED: tuple[tuple[type[Base], InstrumentedAttribute[int], str], ...] = (
    (AppToken, AppToken.id, "encrypted_token"),
    (Build, Build.id, "encrypted_secrets"),
    (Delivery, Delivery.id, "encrypted_message"),
    (LogExport, LogExport.id, "encrypted_callback"),
    (Notification, Notification.id, "encrypted_config"),
    (Notification, Notification.id, "encrypted_secret"),
    (RegistryCredential, RegistryCredential.id, "encrypted_password"),
    (Robot, Robot.id, "encrypted_token"),
    (OAuthApplication, OAuthApplication.id, "encrypted_secret"),
    (RepositoryToken, RepositoryToken.id, "encrypted_token"),
    (ServiceKey, ServiceKey.id, "encrypted_private_key"),
    (Trigger, Trigger.id, "encrypted_write_token"),
    (Trigger, Trigger.id, "encrypted_hook_secret"),
    (Trigger, Trigger.id, "encrypted_private_key"),
    (Trigger, Trigger.id, "encrypted_auth_token"),
    (TriggerSecret, TriggerSecret.id, "encrypted_value"),
)
"""Every column that the vault encrypts: (table, its key, column)."""


def rotate_secrets(database: Database) -> dict[str, int]:
    """Write every stored secret again under the current key, in short transactions; how many values in each table.

    It can run beside the service and be repeated. Undecryptable: a former key is missing from the settings.
    """
    rotated: dict[str, int] = {}
    for table, key, name in ENCRYPTED:
        rotated[table.__tablename__] = rotated.get(table.__tablename__, 0) + _rotate(database, table, key, name)
    return rotated


def _rotate(database: Database, table: type[Base], key: InstrumentedAttribute[int], name: str) -> int:
    last, total = 0, 0
    while True:
        with database.write() as session:
            rows = _next_rows(session, table, key, name, last)
            for row in rows:
                setattr(row, name, session.vault.rotate(getattr(row, name)))
                if isinstance(row, (AppToken, RepositoryToken)):
                    row.token_hash = session.vault.fingerprint(session.vault.decrypt(getattr(row, name)))
            if not rows:
                return total
            total += len(rows)
            last = getattr(rows[-1], key.key)


def _next_rows(
    session: Session, table: type[Base], key: InstrumentedAttribute[int], name: str, last: int
) -> list[Base]:
    some = getattr(table, name).is_not(None)
    # Locked, where the database can: a token that is replaced meanwhile must not get its former value back.
    query = select(table).where(key > last, some).order_by(key).limit(BATCH).with_for_update()
    return list(session.scalars(query))
