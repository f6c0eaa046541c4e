"""Two administrators of an organization leave at the same moment, on a real PostgreSQL: one of them stays."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.access import ANONYMOUS, Identity, find_account, get_organization
from models.errors import Conflict
from models.migrate import upgrade
from models.organizations import create_organization
from models.session import Database, Session
from models.teams import add_member, find_team, list_members, remove_member
from models.users import change_user, create_user, get_user, remove_user
from models.vault import Vault

SOMEBODY = Identity(kind="user", name="somebody")


@pytest.fixture
def database(fresh_postgres_url: str) -> Iterator[Database]:
    database = Database(fresh_postgres_url, Vault(["a key of the tests, long enough for one"]))
    upgrade(database)
    with database.write() as session:
        ann, _bob = (create_user(session, name, email=None, actor=ANONYMOUS) for name in ("ann", "bob"))
        acme = create_organization(session, "acme", owner=ann, email=None, actor=SOMEBODY)
        owners = find_team(session, acme, "owners")
        assert owners is not None
        add_member(session, owners, "bob", actor=SOMEBODY)
    yield database
    database.dispose()


def leave_team(session: Session, name: str) -> None:
    owners = find_team(session, get_organization(session, "acme"), "owners")
    assert owners is not None
    remove_member(session, owners, name, actor=SOMEBODY)


def leave_for_good(session: Session, name: str) -> None:
    remove_user(session, get_user(session, name), actor=SOMEBODY)


def be_disabled(session: Session, name: str) -> None:
    change_user(session, get_user(session, name), enabled=False, actor=SOMEBODY)


@pytest.mark.parametrize(
    ("ann_leaves", "bob_leaves"),
    [(leave_team, leave_team), (leave_for_good, leave_for_good), (be_disabled, be_disabled), (leave_team, be_disabled)],
)
def test_one_stays(
    database: Database, ann_leaves: Callable[[Session, str], None], bob_leaves: Callable[[Session, str], None]
) -> None:
    together = threading.Barrier(2)

    def go(name: str, leave: Callable[[Session, str], None]) -> bool:
        try:
            with database.write() as session:
                get_user(session, name)
                together.wait()
                leave(session, name)
                session.flush()
                time.sleep(0.2)  # the other one comes to the same point meanwhile
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        gone = list(pool.map(go, ("ann", "bob"), (ann_leaves, bob_leaves)))
    assert sorted(gone) == [False, True]
    with database.read() as session:
        owners = find_team(session, get_organization(session, "acme"), "owners")
        assert owners is not None
        members = [find_account(session, member.name) for member in list_members(session, owners)]
        assert [member.enabled for member in members if member].count(True) == 1
