"""The database itself keeps stamps of rights, after an upgrade and after a table was made anew."""

from sqlalchemy import select, text

from models import migrate
from models.session import Database
from models.tables import AccessStamp, Organization, Permission, Repository, Team, TeamMember, User

SHOWN = (
    "UPDATE permission SET role = 'admin'",
    "UPDATE repository SET is_public = true",
    "UPDATE repository SET name = 'other'",
    "UPDATE team SET name = 'other'",
    "UPDATE account SET email = 'other@example.com' WHERE kind = 'user'",
    "DELETE FROM team",
    "DELETE FROM repository",
)
NOT_SHOWN = (
    "UPDATE repository SET description = 'new', search_rank = -1",
    "UPDATE account SET last_accessed_at = NULL",
)


def company(database: Database) -> int:
    """A user in a team, and with a permission; the organization's id."""
    with database.write() as session:
        acme, ann = Organization(name="acme"), User(name="ann", email="ann@example.com")
        session.add_all([acme, ann])
        session.flush()
        team = Team(organization_id=acme.id, name="owners", role="admin")
        app = Repository(namespace_id=acme.id, name="app", is_public=False)
        session.add_all([team, app])
        session.flush()
        session.add(TeamMember(team_id=team.id, account_id=ann.id))
        session.add(Permission(repository_id=app.id, account_id=ann.id, role="read"))
        return acme.id


def stamps(database: Database) -> dict[int, str]:
    with database.read() as session:
        rows = session.execute(select(AccessStamp.namespace_id, AccessStamp.stamp)).all()
    return {row.namespace_id: row.stamp for row in rows}


def run(database: Database, statement: str) -> None:
    with database.write() as session:
        session.execute(text(statement))


def test_every_change_that_is_shown_changes_the_stamp_and_no_other_does(database: Database) -> None:
    migrate.upgrade(database)
    acme = company(database)
    seen = [stamps(database)]
    assert acme in seen[0]

    for statement in NOT_SHOWN:
        run(database, statement)
        assert stamps(database) == seen[0], statement
    for statement in SHOWN:
        run(database, statement)
        seen.append(stamps(database))
        assert seen[-1] not in seen[:-1], statement


def test_what_goes_with_an_account_changes_the_stamp(database: Database) -> None:
    migrate.upgrade(database)
    acme = company(database)
    before = stamps(database)[acme]

    run(database, "DELETE FROM account WHERE kind = 'user'")

    assert stamps(database)[acme] != before


def test_what_is_rolled_back_leaves_the_stamp(database: Database) -> None:
    migrate.upgrade(database)
    company(database)
    before = stamps(database)
    with database.read() as session:
        session.execute(text("DELETE FROM permission"))

    assert stamps(database) == before


def test_stamps_are_kept_after_a_step_back_and_forth(database: Database) -> None:
    migrate.upgrade(database)
    migrate.downgrade(database, "0032")
    acme = company(database)
    migrate.upgrade(database)
    before = stamps(database)[acme]

    run(database, "DELETE FROM permission")

    assert stamps(database)[acme] != before


def test_a_lost_trigger_is_made_anew_by_the_next_migration(database: Database) -> None:
    """As SQLite loses those of a table that a migration makes anew."""
    head = migrate.upgrade(database)[-1]
    acme = company(database)
    before = stamps(database)[acme]
    run(database, f"DROP TRIGGER stamp_permission_delete{'' if database.is_sqlite else ' ON permission'}")
    migrate.downgrade(database, head)

    run(database, "DELETE FROM permission")

    assert stamps(database)[acme] != before
