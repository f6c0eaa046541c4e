"""What users have authorized applications to do, and what waits for their consent."""

from datetime import timedelta

from sqlalchemy import update

from models import assignments
from models.applications import find_application
from models.session import Session
from models.tables import OAuthToken
from models.tables.base import now
from models.tokens import issue_oauth_token
from models.users import get_user
from tests.factories.accounts import identity_of
from tests.factories.answers import counted, entries, refused
from tests.factories.api import Api
from tests.factories.world import CLIENT_ID


def authorize(session: Session, username: str, scopes: str) -> str:
    """Let the application act for the user, as after consent; the id of that."""
    application, user = find_application(session, CLIENT_ID), get_user(session, username)
    assert application
    row, _ = issue_oauth_token(
        session,
        application,
        user,
        scopes,
        expires_at=now() + timedelta(days=1),
        log_to=user,
        actor=identity_of(user),
    )
    return row.uuid


def test_a_user_sees_and_ends_what_applications_may(api: Api) -> None:
    with api.database.write() as session:
        uuid = authorize(session, "reader", "repo:read org:admin")
        foreign = authorize(session, "writer", "repo:read")
    path = f"/user/authorizations/{uuid}"
    shown = api.get(path, by="reader")
    assert shown.status == 200
    assert shown.body.keys() == {"application", "scopes", "uuid"}
    assert shown.body["application"].keys() == {"name", "description", "url", "avatar", "organization"}
    assert shown.body["application"]["organization"].keys() == {"name", "avatar"}
    assert shown.body["application"]["organization"]["name"] == "acme"
    assert [each["scope"] for each in shown.body["scopes"]] == ["repo:read", "org:admin"]
    assert [each["dangerous"] for each in shown.body["scopes"]] == [False, True]
    assert shown.body["scopes"][0].keys() == {"title", "scope", "description", "icon", "dangerous"}

    listed = api.get("/user/authorizations", by="reader").body["authorizations"]
    assert [each["application"]["name"] for each in listed] == ["tool", "Drydock"]  # the second is the caller's own
    assert listed[0] == shown.body

    assert refused(api.get(f"/user/authorizations/{foreign}", by="reader"), 404)
    assert refused(api.delete(f"/user/authorizations/{foreign}", by="reader"), 404)
    assert api.delete(path, by="reader").status == 204
    assert refused(api.delete(path, by="reader"), 404)
    entry = entries(api, "revoke_oauth_api_token")[-1]
    assert {"oauth_token_uuid": uuid, "client_id": CLIENT_ID, "namespace": "reader"}.items() <= entry.detail.items()


def test_many_authorizations_are_read_at_once(api: Api) -> None:
    api.get("/user/authorizations", by="reader")  # that the token was used is noted once
    counts = []
    for number in (1, 5):
        with api.database.write() as session:
            for _ in range(number):
                authorize(session, "reader", "repo:read")
        with counted(api) as statements:
            api.get("/user/authorizations", by="reader")
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_an_expired_authorization_is_none(api: Api) -> None:
    with api.database.write() as session:
        uuid = authorize(session, "reader", "repo:read")
        session.execute(update(OAuthToken).where(OAuthToken.uuid == uuid).values(expires_at=now()))
    assert refused(api.get(f"/user/authorizations/{uuid}", by="reader"), 404)


def test_assigned_tokens_are_listed_and_declined(api: Api) -> None:
    with api.database.write() as session:
        application, owner = find_application(session, CLIENT_ID), get_user(session, "owner")
        assert application
        uuid = assignments.assign_token(
            session,
            application,
            get_user(session, "reader"),
            "repo:read",
            redirect_uri="https://app.example.com/cb",
            response_type="token",
            actor=identity_of(owner),
        ).uuid
    assert api.get("/user/assignedauthorization", by="writer").body == {"authorizations": []}
    (shown,) = api.get("/user/assignedauthorization", by="reader").body["authorizations"]
    assert shown.keys() == {"application", "uuid", "redirectUri", "scopes", "responseType"}
    assert shown["application"].keys() == {"name", "clientId", "description", "url", "avatar", "organization"}
    assert (shown["uuid"], shown["responseType"]) == (uuid, "token")
    path = f"/user/assignedauthorization/{uuid}"
    assert refused(api.delete(path, by="writer"), 404)
    assert api.delete(path, by="reader").status == 204
    assert refused(api.delete(path, by="reader"), 404)
    for kind, who in (("oauth_token_assigned", "owner"), ("oauth_token_revoked", "reader")):
        entry = entries(api, kind)[-1]
        assert entry.performer == who
        told = {"assigned_user": "reader", "application": "tool", "client_id": CLIENT_ID, "namespace": "acme"}
        assert told.items() <= entry.detail.items()
