"""The page that an invitation leads to."""

from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import select

from models.access import get_organization
from models.invitations import add_or_invite, invite_address
from models.session import Database
from models.tables import Invitation, Team, TeamMember, User, UserNotification
from models.users import get_user
from models.vault import new_token
from registry.services import Services
from tests.factories.api import make_services
from tests.factories.browser import PASSWORD, Browser, make_person
from tests.factories.world import make_world
from web import invitations, signin


@pytest.fixture
def services(database: Database, tmp_path: Path) -> Services:
    return make_services(database, tmp_path, FEATURE_MAILING=True)


@pytest.fixture
def browser(services: Services) -> Browser:
    app = Flask("tests")
    for part in (invitations, signin):
        app.register_blueprint(part.blueprint(services))
    return Browser(app)


@pytest.fixture
def code(database: Database, services: Services) -> str:
    """That of an invitation of ann to a team of acme."""
    with database.write() as session:
        owner = make_world(session)["owner"]
    make_person(database, "ann")
    with database.write() as session:
        organization = get_organization(session, "acme")
        team = session.scalars(
            select(Team).where(Team.organization_id == organization.id, Team.name == "members")
        ).one()
        add_or_invite(session, services.settings, team, "ann", actor=owner)
        return str(session.scalars(select(UserNotification)).one().detail["code"])


def teams_of_ann(database: Database) -> list[str]:
    with database.read() as session:
        query = select(Team.name).join(TeamMember).join(User, User.id == TeamMember.account_id)
        return list(session.scalars(query.where(User.name == "ann")))


def test_a_guest_signs_in_is_asked_and_joins(browser: Browser, database: Database, code: str) -> None:
    path = f"/confirminvite?code={code}"
    to_sign_in = browser.get(path).headers["Location"]
    assert to_sign_in == f"/signin?next={quote(path, safe='')}"
    browser.get(to_sign_in)
    assert browser.submit("/signin", username="ann", password=PASSWORD, next=path).headers["Location"] == path
    asked = browser.get(path)
    assert "<strong>owner</strong> invites you" in asked.text
    assert "<strong>members</strong>" in asked.text
    assert teams_of_ann(database) == []
    assert "<strong>acme</strong>" in browser.submit("/confirminvite", code=code, answer="join").text
    assert teams_of_ann(database) == ["members"]
    assert browser.get(path).status_code == 400


def test_the_code_of_the_mail_confirms_the_address_at_the_sign_in(
    browser: Browser, database: Database, services: Services
) -> None:
    with database.write() as session:
        owner = make_world(session)["owner"]
    make_person(database, "ann")
    with database.write() as session:
        get_user(session, "ann").verified = False
        team = session.scalars(select(Team).where(Team.name == "members")).one()
        invite_address(session, services.settings, team, "ann@example.com", actor=owner)
        code = new_token()
        session.scalars(select(Invitation)).one().code_hash = session.vault.fingerprint(code)
    path = f"/confirminvite?code={code}"
    browser.get("/signin")
    for elsewhere in ("/", f"/x?code={code}", "/confirminvite?code=x", "/confirminvite"):
        assert browser.submit("/signin", username="ann", password=PASSWORD, next=elsewhere).status_code == 403
    assert browser.submit("/signin", username="ann", password=PASSWORD, next=path).headers["Location"] == path
    assert browser.get(path).status_code == 200


def test_a_guest_declines(browser: Browser, database: Database, code: str) -> None:
    browser.get("/signin")
    browser.submit("/signin", username="ann", password=PASSWORD)
    browser.get(f"/confirminvite?code={code}")
    assert browser.submit("/confirminvite", code=code, answer="decline").headers["Location"] == "/"
    assert teams_of_ann(database) == []
    with database.read() as session:
        assert session.scalars(select(Invitation)).all() == []


def test_nobody_is_made_to_join_by_another_site_or_without_signing_in(
    browser: Browser, database: Database, code: str
) -> None:
    browser.get("/signin")
    assert browser.submit("/confirminvite", code=code, answer="join").status_code == 401
    browser.submit("/signin", username="ann", password=PASSWORD)
    assert browser.submit("/confirminvite", code=code, answer="join", csrf_token="guessed").status_code == 403
    assert teams_of_ann(database) == []
