"""Whom other services may vouch for as a robot: shapes as Quay's, and what a token that was exchanged may."""

import json
import time
from typing import Any

import pytest
from sqlalchemy import update

from models.authentication import identify_basic
from models.errors import Unauthenticated
from models.federation import PREFIX, find_rule, issue_robot_token
from models.tables import Account
from tests.factories.answers import entries, refused
from tests.factories.api import Api

ROBOT = "/organization/acme/robots/robot/federation"
ISSUER, SUBJECT = "https://ci.example.com", "repo:acme/app:ref:refs/heads/main"
RULES = [{"issuer": ISSUER, "subject": SUBJECT}, {"issuer": ISSUER, "subject": "another"}]


def exchanged(api: Api, rules: Any = RULES) -> str:
    """A token that the first rule's subject gets."""
    assert api.post(ROBOT, rules, by="owner").status == 200
    with api.database.write() as session:
        rule = find_rule(session, "acme+robot", ISSUER, SUBJECT)
        assert rule
        robot = api.services.superusers.identify(rule.robot)
        return issue_robot_token(session, rule, actor=robot)


@pytest.mark.parametrize("whose", ["organization", "user"])
def test_rules_are_set_shown_and_removed(api: Api, whose: str) -> None:
    path = ROBOT if whose == "organization" else "/user/robots/mine/federation"
    api.put("/user/robots/mine", {}, by="owner")
    assert api.get(path, by="owner").body == []
    answer = api.post(path, RULES, by="owner")
    assert (answer.status, answer.body) == (200, RULES)
    assert api.get(path, by="owner").body == RULES
    assert api.post(path, RULES[:1], by="owner").body == RULES[:1]
    assert api.get(path, by="owner").body == RULES[:1]
    assert api.delete(path, by="owner").status == 204
    assert api.get(path, by="owner").body == []
    assert api.delete(path, by="owner").status == 204
    created, deleted = entries(api, "create_robot_federation"), entries(api, "delete_robot_federation")
    assert [entry.detail["config"] for entry in created] == [RULES, RULES[:1]]
    shortname = "robot" if whose == "organization" else "mine"
    assert {entry.detail["robot"] for entry in (*created, *deleted)} == {shortname}


def test_audiences_are_kept(api: Api) -> None:
    rules = [{"issuer": ISSUER, "subject": SUBJECT, "audiences": ["https://registry.example.com"]}]
    assert api.post(ROBOT, rules, by="owner").body == rules
    assert api.get(ROBOT, by="owner").body == rules


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "list"),
        ([{}], "issuer"),
        ([{"issuer": ISSUER}], "subject"),
        ([{"issuer": "", "subject": "x"}], "Missing one or more required fields (issuer, subject)"),
        ([{"issuer": ISSUER, "subject": ""}], "Missing one or more required fields (issuer, subject)"),
        ([{"issuer": "ci.example.com", "subject": "x"}], "Issuer must be a URL (http:// or https://)"),
        ([{"issuer": 5, "subject": "x"}], "issuer"),
        ([{"issuer": ISSUER, "subject": "x" * 2049}], "subject"),
        ([{"issuer": ISSUER, "subject": "x", "role": "admin"}], "role"),
        ([RULES[0], RULES[0]], "Duplicate federation config entry"),
        ([{"issuer": ISSUER, "subject": str(n)} for n in range(101)], "100"),
        ([5], "object"),
    ],
)
def test_what_cannot_be_a_rule(api: Api, body: Any, told: str) -> None:
    api.post(ROBOT, RULES, by="owner")
    assert refused(api.post(ROBOT, body, by="owner"), 400, told)
    assert api.get(ROBOT, by="owner").body == RULES


def test_rules_are_for_administrators(api: Api) -> None:
    for who in ("member", "creator", "stranger", "root"):
        for answer in (api.get(ROBOT, by=who), api.post(ROBOT, RULES, by=who), api.delete(ROBOT, by=who)):
            assert refused(answer, 403)
    assert refused(api.get(ROBOT.replace("acme", "nosuchorg"), by="owner"), 403)
    assert refused(api.get(ROBOT.replace("robots/robot", "robots/none"), by="owner"), 400, "Could not find robot")
    assert refused(api.post(ROBOT, by="owner"), 415)


def test_a_token_is_the_robot_and_no_more(api: Api) -> None:
    token = exchanged(api)
    bearer = {"Authorization": f"Bearer {token}"}
    assert api.get("/repository/acme/app", headers=bearer).body["can_write"]
    assert not api.get("/repository/acme/app", headers=bearer).body["can_admin"]
    assert refused(api.get("/organization/acme/robots", headers=bearer), 403)
    assert refused(api.get("/user/", headers=bearer), 403)
    identity = identify_basic(api.database, api.services.superusers, "acme+robot", token)
    assert (identity.kind, identity.name) == ("robot", "acme+robot")
    for name in ("acme+idle-robot", "owner", "$oauthtoken2"):
        with pytest.raises(Unauthenticated):
            identify_basic(api.database, api.services.superusers, name, token)
    entry = entries(api, "federated_robot_token_exchange")[-1]
    assert {"robot": "robot", "issuer": ISSUER, "subject": SUBJECT, "namespace": "acme"}.items() <= entry.detail.items()
    assert entry.performer == "acme+robot"


@pytest.mark.parametrize("end", ["rules", "robot", "disabled", "owner"])
def test_a_token_ends_with_what_it_stands_on(api: Api, end: str) -> None:
    token = exchanged(api)
    bearer = {"Authorization": f"Bearer {token}"}
    assert api.get("/repository/acme/app", headers=bearer).status == 200
    if end == "rules":
        api.post(ROBOT, RULES[1:], by="owner")
    if end == "robot":
        api.delete("/organization/acme/robots/robot", by="owner")
    with api.database.write() as session:
        changed = {"disabled": "acme+robot", "owner": "acme"}.get(end)
        session.execute(update(Account).where(Account.name == changed).values(enabled=False))
    assert refused(api.get("/repository/acme/app", headers=bearer), 401)
    with pytest.raises(Unauthenticated):
        identify_basic(api.database, api.services.superusers, "acme+robot", token)


def test_a_token_lasts_an_hour(api: Api) -> None:
    token, vault = exchanged(api), api.database.vault
    content = json.loads(vault.decrypt(token.removeprefix(PREFIX)))
    assert 3590 < content["until"] - time.time() <= 3600
    old = PREFIX + vault.encrypt(json.dumps(content | {"until": time.time() - 1}))
    assert refused(api.get("/user/", headers={"Authorization": f"Bearer {old}"}), 401, "expired")


def test_what_else_looks_like_a_token_is_none(api: Api) -> None:
    token, vault = exchanged(api), api.database.vault
    for bad in (
        PREFIX,
        PREFIX + "x",
        token[:-4],
        PREFIX + vault.encrypt("{}"),
        PREFIX + vault.encrypt("[]"),
        "x" * 2000,
    ):
        assert refused(api.get("/user/", headers={"Authorization": f"Bearer {bad}"}), 401)
