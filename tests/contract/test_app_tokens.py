"""Application-specific tokens: a password for one program, shown to its user alone, again and again."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from models.access import Identity
from models.app_tokens import create_app_token
from models.authentication import identify_basic
from models.errors import Unauthenticated
from models.rotation import rotate_secrets
from models.tables import AppToken, User
from models.tables.base import now
from tests.contract.exchanges import PROBLEM
from tests.factories.api import Api

TOKENS = "/user/apptoken"
LISTED = {"uuid", "title", "last_accessed", "created", "expiration"}


def made(api: Api, by: str = "stranger", **body: str) -> dict[str, Any]:
    answer = api.post(TOKENS, body or {"title": "laptop"}, by=by)
    assert (answer.status, answer.body.keys()) == (200, {"token"}), answer.text
    token: dict[str, Any] = answer.body["token"]
    assert token.keys() == LISTED | {"token_code"}
    return token


def whose(api: Api, code: str) -> Identity:
    return identify_basic(api.database, api.services.superusers, "$app", code)


def test_a_token_is_made_shown_used_and_revoked(api: Api) -> None:
    token = made(api)
    assert (token["title"], token["last_accessed"], token["expiration"]) == ("laptop", None, None)
    listed = api.get(TOKENS, by="stranger").body
    assert listed == {"tokens": [{key: token[key] for key in LISTED}], "only_expiring": None}
    path = f"{TOKENS}/{token['uuid']}"
    assert api.get(path, by="stranger").body == {"token": token}
    identity = whose(api, token["token_code"])
    assert (identity.name, identity.scopes) == ("stranger", None)
    assert dict(identity.log_detail) == {
        "app_specific_token": token["uuid"],
        "app_specific_token_title": "laptop",
    }
    gone = api.delete(path, by="stranger")
    assert (gone.status, gone.text) == (204, "")
    with pytest.raises(Unauthenticated):
        whose(api, token["token_code"])
    assert [api.get(path, by="stranger").status, api.delete(path, by="stranger").status] == [404, 404]
    told = {"namespace": "stranger", "app_specific_token_title": "laptop", "app_specific_token": token["uuid"]}
    assert api.logged(about="app_specific") == [
        ("create_app_specific_token", "stranger", told),
        ("revoke_app_specific_token", "stranger", told),
    ]


def test_the_other_name_of_the_title_is_taken_too(api: Api) -> None:
    assert made(api, friendlyName="phone")["title"] == "phone"


@pytest.mark.parametrize("body", [{}, {"title": ""}, {"title": "x" * 256}, {"title": 5}, {"title": "a", "more": 1}])
def test_a_title_is_needed(api: Api, body: dict[str, object]) -> None:
    answer = api.post(TOKENS, body, by="stranger")
    assert (answer.status, answer.body.keys()) == (400, PROBLEM)
    assert api.get(TOKENS, by="stranger").body["tokens"] == []


def test_nobody_else_has_to_do_with_it(api: Api) -> None:
    token = made(api)
    path = f"{TOKENS}/{token['uuid']}"
    assert api.get(TOKENS, by="owner").body["tokens"] == []
    for by in ("owner", "root"):
        assert [api.get(path, by=by).status, api.delete(path, by=by).status] == [404, 404]
    assert [api.get(path).status, api.get(path, by="stranger", scopes="user:read").status] == [401, 403]
    with api.database.read() as session:
        row = session.scalars(select(AppToken)).one()
        assert token["token_code"] not in f"{row.token_hash} {row.encrypted_token}"


def test_superusers_see_whose_they_are_but_not_the_tokens(api: Api) -> None:
    made(api)
    made(api, by="owner")
    answer = api.get("/superuser/apptokens", by="root").body
    assert [token["user"]["name"] for token in answer["tokens"]] == ["stranger", "owner"]
    assert all(token.keys() == LISTED | {"user"} for token in answer["tokens"])
    assert "token_code" not in api.get("/superuser/apptokens", by="root").text
    assert api.get("/superuser/apptokens", by="owner").status == 403


def test_those_that_expire_soon_are_found(api: Api) -> None:
    with api.database.write() as session:
        user = session.scalars(select(User).where(User.name == "stranger")).one()
        actor = Identity(kind="user", account_id=user.id, name="stranger")
        for title, days in (("soon", 2), ("later", 20)):
            token = create_app_token(session, user, title, lifetime=timedelta(days=days), actor=actor)
        create_app_token(session, user, "ever", actor=actor)
        session.execute(update(AppToken).where(AppToken.id == token.id).values(created_at=now()))
    for path, by in ((TOKENS, "stranger"), ("/superuser/apptokens", "root")):
        answer = api.get(f"{path}?expiring=true", by=by).body
        assert ([token["title"] for token in answer["tokens"]], answer["only_expiring"]) == (["soon"], True)
        assert len(api.get(f"{path}?expiring=false", by=by).body["tokens"]) == 3


def test_a_new_key_of_the_database_keeps_them_good(api: Api) -> None:
    code = made(api)["token_code"]
    rotate_secrets(api.database)
    assert whose(api, code).name == "stranger"
