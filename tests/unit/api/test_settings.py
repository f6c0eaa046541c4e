"""Settings that change what the surface admits."""

from pathlib import Path

import pytest
from sqlalchemy import select

from models.session import Database
from models.tables import Account
from models.users import get_user
from registry.names import RepositoryName
from registry.repositories import ensure_writable
from tests.factories.accounts import identity_of
from tests.factories.api import Api, make_app, make_services
from tests.factories.world import make_world


@pytest.fixture
def closed(database: Database, tmp_path: Path) -> Api:
    """An installation that is closed to those without an account, and has no nested names."""
    services = make_services(
        database,
        tmp_path,
        FEATURE_ANONYMOUS_ACCESS=False,
        FEATURE_EXTENDED_REPOSITORY_NAMES=False,
        BROWSER_API_CALLS_XHR_ONLY=False,
        FEATURE_SUPERUSERS_FULL_ACCESS=True,
        SERVER_HOSTNAME="registry.example:8443",
        PREFERRED_URL_SCHEME="https",
    )
    with database.write() as session:
        make_world(session)
    return Api(make_app(services))


def test_without_anonymous_access_public_things_need_an_account(closed: Api) -> None:
    for path in ("/repository/acme/public", "/repository?public=true", "/organization/acme"):
        assert closed.get(path).status == 401
        assert closed.get(path, by="stranger").status == 200
    assert closed.get("/discovery").status == 200
    assert closed.get("/error/not_found").status == 200


def test_without_nested_names_none_are_made(closed: Api) -> None:
    assert closed.post("/repository", {"repository": "a/b"}, by="owner").status == 400
    assert closed.post("/repository", {"repository": "a"}, by="owner").status == 201


def test_browsers_may_be_let_in(closed: Api) -> None:
    headers = {"User-Agent": "Mozilla/5.0"}
    assert closed.get("/user/", headers=headers).body["error_type"] == "invalid_token"


def test_addresses_in_answers_are_those_of_the_installation(closed: Api) -> None:
    document = closed.get("/discovery").body
    assert (document["host"], document["schemes"]) == ("registry.example:8443", ["https"])
    problem = closed.get("/user/")
    assert problem.body["type"] == "https://registry.example:8443/api/v1/error/invalid_token"
    assert problem.headers["WWW-Authenticate"] == 'Bearer realm="registry.example:8443"'


def test_who_is_new_keeps_deleted_tags_for_as_long_as_is_configured(database: Database, tmp_path: Path) -> None:
    api = Api(make_app(make_services(database, tmp_path, DEFAULT_TAG_EXPIRATION="1d", CREATE_NAMESPACE_ON_PUSH=True)))
    api.post("/superuser/users/", {"username": "ann", "email": "ann@example.com"}, by="root")
    api.post("/organization/", {"name": "new"}, by="ann")
    with database.read() as session:
        ann = identity_of(get_user(session, "ann"))
    ensure_writable(database, api.services.settings, RepositoryName.parse("pushed/app"), actor=ann)
    with database.read() as session:
        kept = select(Account.tag_expiration_s).where(Account.name.in_(["ann", "new", "pushed"]))
        assert list(session.scalars(kept)) == [86400] * 3
