"""Tokens of a repository: made by its administrators, good for it alone."""

import logging

import pytest
from sqlalchemy import update

from models.access import Identity
from models.authentication import identify_basic
from models.errors import Unauthenticated
from models.rotation import rotate_secrets
from models.session import Database
from models.tables import RepositoryToken
from models.vault import Vault
from tests.factories.api import Api
from tests.factories.database import KEY

TOKENS = "/repository/acme/app/tokens/"
KEYS = {"friendlyName", "code", "role"}


def made(api: Api, name: str = "ci") -> str:
    answer = api.post(TOKENS, {"friendlyName": name}, by="owner")
    assert (answer.status, answer.body.keys()) == (201, KEYS)
    assert (answer.body["friendlyName"], answer.body["role"]) == (name, "read")
    code: str = answer.body["code"]
    return code


def whose(api: Api, code: str) -> Identity:
    return identify_basic(api.database, api.services.superusers, "$token", code)


def test_a_token_is_made_shown_changed_and_deleted(api: Api) -> None:
    code = made(api)
    shown = {"friendlyName": "ci", "code": code, "role": "read"}
    assert api.get(TOKENS, by="owner").body == {"tokens": {code: shown}}
    assert api.get(TOKENS + code, by="owner").body == shown
    changed = api.put(TOKENS + code, {"role": "write"}, by="owner")
    assert (changed.status, changed.body) == (200, {**shown, "role": "write"})
    gone = api.delete(TOKENS + code, by="owner")
    assert (gone.status, gone.text) == (204, "")
    assert api.get(TOKENS, by="owner").body == {"tokens": {}}
    for answer in (
        api.get(TOKENS + code, by="owner"),
        api.put(TOKENS + code, {"role": "read"}, by="owner"),
        api.delete(TOKENS + code, by="owner"),
    ):
        assert answer.status == 404
    names = {"namespace": "acme", "repo": "app", "token": "ci"}
    assert api.logged("add_repo_accesstoken", "change_repo_permission", "delete_repo_accesstoken")[-3:] == [
        ("add_repo_accesstoken", "owner", names),
        ("change_repo_permission", "owner", {**names, "role": "write"}),
        ("delete_repo_accesstoken", "owner", names),
    ]


def test_a_token_signs_in_as_long_as_it_is_there(api: Api) -> None:
    code = made(api)
    assert whose(api, code).repository_role == "read"
    api.put(TOKENS + code, {"role": "admin"}, by="owner")
    assert whose(api, code).repository_role == "admin"
    api.delete(TOKENS + code, by="owner")
    with pytest.raises(Unauthenticated):
        whose(api, code)


def test_a_token_opens_nothing_by_rest(api: Api) -> None:
    assert api.get(TOKENS, headers={"Authorization": f"Bearer {made(api)}"}).status == 401


@pytest.mark.parametrize("body", [{}, {"friendlyName": ""}, {"friendlyName": 5}, {"friendlyName": "x" * 256}])
def test_a_token_needs_a_name(api: Api, body: dict[str, object]) -> None:
    assert api.post(TOKENS, body, by="owner").status == 400
    assert api.get(TOKENS, by="owner").body == {"tokens": {}}


def test_the_roles_are_three(api: Api) -> None:
    code = made(api)
    for body in ({}, {"role": "king"}, {"role": None}):
        assert api.put(TOKENS + code, body, by="owner").status == 400
    assert api.put(TOKENS + code, by="owner").status == 415
    assert api.post(TOKENS, by="owner").status == 415


def test_only_administrators_see_tokens(api: Api) -> None:
    code = made(api)
    for who in ("writer", "reader", "stranger"):
        assert api.get(TOKENS, by=who).status == 403
        assert api.get(TOKENS + code, by=who).status == 403
        assert api.delete(TOKENS + code, by=who).status == 403
    assert api.get(TOKENS, by="owner", scopes="repo:write").status == 403
    assert api.get(TOKENS).status == 401
    assert api.get("/repository/acme/none/tokens/", by="owner").status == 404


def test_a_token_is_found_in_its_own_repository_only(api: Api) -> None:
    code = made(api)
    elsewhere = f"/repository/acme/public/tokens/{code}"
    assert api.get(elsewhere, by="owner").status == 404
    assert api.delete(elsewhere, by="owner").status == 404
    assert whose(api, code).repository_id


def test_what_is_stored_of_a_token_is_sealed(api: Api) -> None:
    code = made(api)
    with api.database.read() as session:
        (row,) = session.query(RepositoryToken).all()
        stored = {key: value for key, value in vars(row).items() if isinstance(value, str)}
    assert not [key for key, value in stored.items() if code in value]


def test_a_token_outlives_the_key_it_was_made_under(api: Api) -> None:
    code = made(api)
    uri = api.database.engine.url.render_as_string(hide_password=False)
    fresh = "a new key that is long enough"
    rotating, later = Database(uri, Vault([fresh, KEY])), Database(uri, Vault([fresh]))
    assert rotate_secrets(rotating)["repository_token"] == 1
    assert identify_basic(later, api.services.superusers, "$token", code).repository_role == "read"
    for database in (rotating, later):
        database.dispose()


def test_no_log_line_tells_a_token(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    code = made(api)
    with api.database.write() as session:
        session.execute(update(RepositoryToken).values(encrypted_token="sealed by nobody"))
    with caplog.at_level(logging.DEBUG):
        assert api.get(TOKENS + code, by="owner").status == 500
    assert "/tokens/***" in caplog.text
    assert code not in caplog.text
