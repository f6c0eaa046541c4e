"""The database from the command line: migrated, and made ready for the first start."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError

from cli.options import Refused, admin_password_file
from config.settings import Settings
from models.access import Identity
from models.errors import Conflict
from models.migrate import pending, upgrade
from models.opening import open_database
from models.passwords import hash_password
from models.session import Database
from models.tables import User
from models.users import create_user

ADMIN = "admin"
OPERATOR = Identity(name="(command line)")
"""Who acts when a command does. No user can have this name."""


def migrate(settings: Settings) -> list[str]:
    """Bring the database to the tables of this version; the revisions applied."""
    with opened(settings) as database:
        return upgrade(database)


def prepare(settings: Settings) -> None:
    """Migrate, and give an empty database its first superuser."""
    with opened(settings) as database:
        upgrade(database)
        create_first_admin(settings, database)


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The database as it is, closed when the block ends."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = open_database(settings)
    try:
        yield database
    finally:
        database.dispose()


@contextmanager
def migrated(settings: Settings) -> Iterator[Database]:
    """The database for a command that needs no running service: a file is made or migrated if it has to be.

    Refused if a server's lacks a migration: that is for an operator to order.
    """
    with opened(settings) as database:
        if database.is_sqlite:
            upgrade(database)
        elif missing := pending(database):
            raise Refused(f"The database lacks the migrations {', '.join(missing)}; run: drydock migrate")
        yield database


def create_first_admin(settings: Settings, database: Database) -> bool:
    """If there is no user yet, create the superuser `admin` with a random password, kept in the data folder."""
    with database.read() as session:
        if session.scalar(select(exists().where(User.id.is_not(None)))):
            return False
    password, file = secrets.token_urlsafe(18), admin_password_file(settings)
    # Before the commit: an account with a password that nobody knows would be worse than a file without its account.
    _keep(file, password)
    hashed = hash_password(password)
    try:
        with database.write() as session:
            create_user(
                session,
                ADMIN,
                email=None,
                password_hash=hashed,
                superuser=True,
                tag_expiration_s=settings.default_tag_expiration_s,
                actor=OPERATOR,
            )
    except (Conflict, IntegrityError):  # another process that shares the database was first
        file.unlink()
        return False
    return True


def _keep(file: Path, secret: str) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(secret + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
