"""The first superuser, when several processes start on one empty database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select

from cli.database import ADMIN, create_first_admin
from cli.options import admin_password_file
from config.settings import Settings
from models.access import ANONYMOUS
from models.passwords import verify_password
from models.session import Database, Session
from models.tables import User
from models.users import create_user
from tests.factories.database import make_database


class _Overtaken(Database):
    """One in which somebody else creates the first user just before the first transaction that changes something."""

    overtaken = False

    @contextmanager
    def write(self) -> Iterator[Session]:
        if not self.overtaken:
            self.overtaken = True
            with super().write() as session:
                create_user(session, ADMIN, email=None, actor=ANONYMOUS)
        with super().write() as session:
            yield session


def test_the_password_of_the_first_superuser_is_in_the_file(tmp_path: Path) -> None:
    database, settings = make_database(tmp_path), Settings(DATA=tmp_path, DEFAULT_TAG_EXPIRATION="1d")
    assert create_first_admin(settings, database)
    assert not create_first_admin(settings, database)
    with database.read() as session:
        admin = session.scalars(select(User)).one()
    assert verify_password(admin_password_file(settings).read_text().strip(), admin.password_hash)
    assert (admin.superuser, admin.tag_expiration_s) == (True, 86400)
    database.dispose()


def test_who_comes_second_leaves_no_password_that_does_not_work(tmp_path: Path) -> None:
    made, settings = make_database(tmp_path), Settings(DATA=tmp_path)
    database = _Overtaken(str(made.engine.url), made.vault)
    assert not create_first_admin(settings, database)
    assert not admin_password_file(settings).exists()
    database.dispose()
    made.dispose()
