"""Access tokens that administrators make for an application: shapes as Quay's, and who may have what."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from models.access import find_account
from models.applications import find_application
from models.authentication import identify_basic
from models.tables import OAuthToken
from models.tables.base import now
from tests.factories.answers import counted, entries, refused
from tests.factories.api import Api
from tests.factories.world import CLIENT_ID

APPLICATIONS = "/organization/acme/applications"
TOOL = f"{APPLICATIONS}/{CLIENT_ID}"
TOKEN = {"uuid", "name", "scope", "expires_at", "created", "created_by", "last_accessed"}


def new_token(api: Api, **fields: Any) -> Any:
    answer = api.post(f"{TOOL}/tokens", {"name": "ci", "scope": "repo:read", **fields}, by="owner")
    assert answer.status == 200, answer.text
    return answer.body


def test_a_token_of_an_application_acts_for_who_made_it(api: Api) -> None:
    made = new_token(api, name=" ci ", scope="repo:write, user:read")
    assert made.keys() == TOKEN | {"token"}
    assert {"name": "ci", "scope": "repo:write user:read", "created_by": "owner"}.items() <= made.items()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", made["created"])
    assert int(made["expires_at"][:4]) == int(made["created"][:4]) + 10
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert api.get("/user/", headers=bearer).body["username"] == "owner"
    assert refused(api.get("/user/robots", headers=bearer), 403, "user:admin")

    listed = api.get(f"{TOOL}/tokens", by="owner")
    assert listed.body.keys() == {"tokens"}
    (shown,) = listed.body["tokens"]
    assert shown.keys() == TOKEN
    assert made["token"] not in listed.text

    assert api.delete(f"{TOOL}/tokens/{made['uuid']}", by="owner").status == 204
    assert refused(api.delete(f"{TOOL}/tokens/{made['uuid']}", by="owner"), 404)
    assert refused(api.get("/user/", headers=bearer), 401)
    created, revoked = entries(api, "create_oauth_api_token")[-1], entries(api, "revoke_oauth_api_token")[-1]
    known = {"oauth_token_uuid": made["uuid"], "client_id": CLIENT_ID, "application_name": "tool", "namespace": "acme"}
    assert (known | {"scope": made["scope"], "token_display_name": "ci"}).items() <= created.detail.items()
    assert known.items() <= revoked.detail.items()


def test_a_token_lives_as_long_as_asked(api: Api) -> None:
    made = new_token(api, expiration=60)
    created, expires = (datetime.fromisoformat(made[each]) for each in ("created", "expires_at"))
    assert 59 <= (expires - created).total_seconds() <= 61
    with api.database.write() as session:
        session.execute(update(OAuthToken).where(OAuthToken.uuid == made["uuid"]).values(expires_at=now()))
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert refused(api.get("/user/", headers=bearer), 401, "expired")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "friendlyName"),
        ({"friendlyName": "ci"}, "scope"),
        ({"name": " ", "scope": "repo:read"}, "name"),
        ({"name": "x" * 256, "scope": "repo:read"}, "name"),
        ({"name": "ci", "scope": ""}, "scope"),
        ({"name": "ci", "scope": "repo:read repo:all"}, "repo:all"),
        ({"name": "ci", "scope": "direct_user_login"}, "direct_user_login"),
        ({"name": "ci", "scope": "repo:read", "expiration": 0}, "expiration"),
        ({"name": "ci", "scope": "repo:read", "expiration": 315_576_001}, "expiration"),
    ],
)
def test_what_a_token_cannot_be(api: Api, body: dict[str, Any], field: str) -> None:
    assert refused(api.post(f"{TOOL}/tokens", body, by="owner"), 400, field)


def test_nobody_makes_a_token_that_may_more_than_they(api: Api) -> None:
    for scope in ("repo:read", "user:admin", "org:admin repo:create"):
        body = {"name": "ci", "scope": scope}
        assert refused(api.post(f"{TOOL}/tokens", body, by="owner", scopes="org:admin"), 403, scope.split()[-1])
    assert refused(api.post(f"{TOOL}/tokens", {"name": "ci", "scope": "super:user"}, by="owner"), 403, "super:user")
    narrower = api.post(
        f"{TOOL}/tokens", {"name": "ci", "scope": "repo:read"}, by="owner", scopes="org:admin repo:admin"
    )
    assert narrower.status == 200


def test_tokens_are_listed_in_pages(api: Api) -> None:
    with api.database.write() as session:
        application = find_application(session, CLIENT_ID)
        owner = find_account(session, "owner")
        assert application
        assert owner
        for number in range(52):
            session.add(
                OAuthToken(
                    application_id=application.id, account_id=owner.id, token_hash=str(number), scopes="repo:read"
                )
            )
    api.token("owner")
    with counted(api) as statements:
        first = api.get(f"{TOOL}/tokens", by="owner").body
    assert len(first["tokens"]) == 50
    assert len(statements) < 12
    second = api.get(f"{TOOL}/tokens?next_page={first['next_page']}", by="owner").body
    assert len(second["tokens"]) == 2
    assert "next_page" not in second
    other = api.post(APPLICATIONS, {"name": "other"}, by="owner").body["client_id"]
    elsewhere = f"{APPLICATIONS}/{other}/tokens?next_page={first['next_page']}"
    assert refused(api.get(elsewhere, by="owner"), 400, "next_page")


@pytest.mark.parametrize("end", ["application", "organization", "user"])
def test_tokens_end_with_their_application_and_their_user(api: Api, end: str) -> None:
    made = new_token(api)
    api.token("owner")
    with api.database.write() as session:
        if end == "user":
            session.delete(find_account(session, "owner"))
    if end == "application":
        assert api.delete(TOOL, by="owner").status == 204
    if end == "organization":
        assert api.delete("/organization/acme", by="owner").status == 204
    assert refused(api.get("/user/", headers={"Authorization": f"Bearer {made['token']}"}), 401)


def last_use(api: Api, uuid: str) -> datetime | None:
    with api.database.read() as session:
        return session.scalars(select(OAuthToken.last_accessed_at).where(OAuthToken.uuid == uuid)).one()


def test_the_last_use_is_known_and_costs_a_write_a_minute(api: Api) -> None:
    made = new_token(api)
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert last_use(api, made["uuid"]) is None
    with counted(api) as first:
        api.get("/user/", headers=bearer)
    used = last_use(api, made["uuid"])
    assert used
    assert abs((now() - used).total_seconds()) < 30
    with counted(api) as second:
        api.get("/user/", headers=bearer)
    assert last_use(api, made["uuid"]) == used
    assert sum(text.startswith("UPDATE") for text in first) == 1
    assert sum(text.startswith("UPDATE") for text in second) == 0
    with api.database.write() as session:
        session.execute(update(OAuthToken).values(last_accessed_at=now() - timedelta(seconds=61)))
    identify_basic(api.database, api.services.superusers, "$oauthtoken", made["token"])
    again = last_use(api, made["uuid"])
    assert again
    assert again > used
    (shown,) = api.get(f"{TOOL}/tokens", by="owner").body["tokens"]
    assert datetime.fromisoformat(shown["last_accessed"]) == again
