"""OAuth applications of organizations: shapes and refusals as recorded from Quay."""

import re
from typing import Any

import pytest
from sqlalchemy import select

from models.tables import OAuthApplication, User
from tests.factories.answers import entries, refused
from tests.factories.api import Api
from tests.factories.world import CLIENT_ID

APPLICATIONS = "/organization/acme/applications"
TOOL = f"{APPLICATIONS}/{CLIENT_ID}"
APPLICATION = {
    "name", "description", "application_uri", "client_id", "client_secret", "redirect_uri", "avatar_email",
}  # fmt: skip
WHOLE = {
    "name": "gold",
    "redirect_uri": "https://app.example.com/callback",
    "application_uri": "https://app.example.com",
    "description": "an app",
    "avatar_email": "app@example.com",
}


def make_application(api: Api, **fields: Any) -> Any:
    answer = api.post(APPLICATIONS, {"name": "gold", **fields}, by="owner")
    assert answer.status == 200, answer.text
    return answer.body


def test_an_application_is_created_shown_changed_and_removed(api: Api) -> None:
    made = make_application(api, **WHOLE)
    assert made.keys() == APPLICATION
    assert WHOLE.items() <= made.items()
    assert re.fullmatch("[A-Z0-9]{20}", made["client_id"])
    assert re.fullmatch("[A-Z0-9]{40}", made["client_secret"])
    one = f"{APPLICATIONS}/{made['client_id']}"
    assert api.get(one, by="owner").body == made

    change = {"name": "renamed", "redirect_uri": "http://example.com/cb2", "application_uri": "http://example.com/2"}
    changed = api.put(one, change | {"description": "new"}, by="owner")
    assert changed.status == 200
    assert changed.body == made | change | {"description": "new", "avatar_email": None}

    reset = api.post(f"{one}/resetclientsecret", by="owner")
    assert reset.status == 200
    assert reset.body.keys() == APPLICATION
    assert reset.body["client_secret"] != made["client_secret"]

    assert api.delete(one, by="owner").status == 204
    assert refused(api.delete(one, by="owner"), 404)
    assert refused(api.get(one, by="owner"), 404)


def test_a_name_is_enough_and_need_not_be_the_only_one(api: Api) -> None:
    first, second = make_application(api), make_application(api)
    rest = {"description": "", "application_uri": "", "redirect_uri": "", "avatar_email": None}
    assert rest.items() <= first.items()
    assert first["client_id"] != second["client_id"]
    listed = api.get(APPLICATIONS, by="owner")
    assert listed.status == 200
    assert [each["name"] for each in listed.body["applications"]] == ["tool", "gold", "gold"]
    assert listed.body["applications"][1] == first


def test_a_secret_is_kept_encrypted(api: Api) -> None:
    made = make_application(api)
    with api.database.read() as session:
        stored = session.scalars(
            select(OAuthApplication.encrypted_secret).where(OAuthApplication.client_id == made["client_id"])
        ).one()
        assert stored
        assert made["client_secret"] not in stored
        assert session.vault.decrypt(stored) == made["client_secret"]


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": 5}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "x", "redirect_uri": 5}, "redirect_uri"),
        ({"name": "x", "redirect_uri": "/callback"}, "redirect_uri"),
        ({"name": "x", "redirect_uri": "javascript:alert(1)"}, "redirect_uri"),
        ({"name": "x", "redirect_uri": "JavaScript:alert(1)"}, "redirect_uri"),
        ({"name": "x", "redirect_uri": "data:text/html,hello"}, "redirect_uri"),
        ({"name": "x", "redirect_uri": "https://a.example/cb#part"}, "redirect_uri"),
        ({"name": "x", "redirect_uri": "https://user@a.example/cb"}, "redirect_uri"),
        ({"name": "x", "redirect_uri": "https:///cb"}, "redirect_uri"),
        ({"name": "x", "redirect_uri": "https://a.example\\@b.example/"}, "redirect_uri"),
        ({"name": "x", "redirect_uri": "https://a.example/ b"}, "redirect_uri"),
        ({"name": "x", "redirect_uri": "https://a.example/\r\nLocation: x"}, "redirect_uri"),
        ({"name": "x", "redirect_uri": "http://x", "application_uri": 5}, "application_uri"),
        ({"name": "x", "surprise": 1}, "surprise"),
    ],
)
def test_what_is_wrong_is_named(api: Api, method: str, body: dict[str, Any], field: str) -> None:
    if method == "PUT":
        body = {"redirect_uri": "", "application_uri": ""} | body if body else body
    path = APPLICATIONS if method == "POST" else TOOL
    assert refused(api.call(method, path, by="owner", json=body), 400, field)


def test_a_change_has_to_be_whole(api: Api) -> None:
    assert refused(api.put(TOOL, {"name": "x"}, by="owner"), 400, "redirect_uri", "application_uri")
    assert refused(api.put(TOOL, by="owner"), 415)
    assert refused(api.post(APPLICATIONS, by="owner"), 415)


def test_redirects_may_lead_to_programs_on_a_persons_machine(api: Api) -> None:
    for uri in ("com.example.app:/callback", "http://127.0.0.1:8000/cb?x=1", "http://[::1]/cb"):
        assert make_application(api, redirect_uri=uri)["redirect_uri"] == uri


def test_others_learn_nothing(api: Api) -> None:
    for path in (APPLICATIONS, TOOL, f"{TOOL}/tokens", f"{APPLICATIONS}/NONE"):
        for who in ("member", "stranger", "root"):
            known = api.get(path, by=who)
            assert refused(known, 403)
            assert api.get(path.replace("acme", "nosuchorg"), by=who).body == known.body
    assert refused(api.get(f"/organization/nosuchorg/applications/{CLIENT_ID}", by="owner"), 403)
    assert refused(api.get(f"{APPLICATIONS}/NOSUCH", by="owner"), 404)
    with api.database.write() as session:
        other = User(name="rival", email="rival@example.com")
        session.add(other)
    assert api.post("/organization/", {"name": "other"}, by="rival").status == 201
    assert refused(api.get(f"/organization/other/applications/{CLIENT_ID}", by="rival"), 404)


def test_what_an_application_says_of_itself_is_for_everybody(api: Api) -> None:
    api.put(TOOL, WHOLE, by="owner")
    for who in (None, "stranger"):
        shown = api.get(f"/app/{CLIENT_ID}", by=who)
        assert shown.status == 200
        assert shown.body.keys() == {"name", "description", "uri", "avatar", "organization"}
        assert shown.body["uri"] == WHOLE["application_uri"]
        assert shown.body["avatar"]["kind"] == "app"
        assert shown.body["organization"].keys() == {
            "name", "email", "avatar", "is_admin", "is_member", "teams", "ordered_teams",
        }  # fmt: skip
        assert shown.body["organization"]["teams"] == {}
        assert "callback" not in shown.text
    administered = api.get(f"/app/{CLIENT_ID}", by="owner").body["organization"]
    assert administered.keys() >= {"invoice_email", "invoice_email_address", "tag_expiration_s", "is_free_account"}
    assert administered["is_admin"]
    assert refused(api.get("/app/NOSUCH", by="owner"), 404)
    api.token("owner")  # makes the application of the installation itself, which has no organization
    assert refused(api.get("/app/drydock", by="owner"), 404)


def test_what_was_done_to_an_application_is_in_the_log(api: Api) -> None:
    made = make_application(api, **WHOLE)
    one = f"{APPLICATIONS}/{made['client_id']}"
    api.put(one, WHOLE | {"name": "renamed"}, by="owner")
    api.post(f"{one}/resetclientsecret", by="owner")
    api.delete(one, by="owner")
    kinds = {
        "create_application": "gold",
        "update_application": "renamed",
        "reset_application_client_secret": "renamed",
        "delete_application": "renamed",
    }
    for kind, name in kinds.items():
        entry = entries(api, kind)[-1]
        assert entry.performer == "owner"
        told = {"application_name": name, "client_id": made["client_id"], "namespace": "acme"}
        assert told.items() <= entry.detail.items()
        assert made["client_secret"] not in str(entry.detail)
    assert entries(api, "create_application")[-1].detail["redirect_uri"] == WHOLE["redirect_uri"]
