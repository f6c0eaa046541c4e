"""Default permissions of new repositories."""

from typing import Any

import pytest
from sqlalchemy import select

from models import prototypes
from models.access import find_account, find_repository
from models.tables import LogEntry, Permission
from registry.names import RepositoryName
from registry.repositories import ensure_writable
from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.accounts import identity_of
from tests.factories.api import Api

E = Exchange
PROTOTYPES = "/organization/acme/prototypes"
NONE = f"{PROTOTYPES}/00000000-0000-0000-0000-000000000000"
PROTOTYPE = {"activating_user", "delegate", "role", "id"}
READER = {"kind": "user", "name": "reader"}
MEMBERS = {"kind": "team", "name": "members"}
SCRIPT = [
    E("GET", PROTOTYPES, 200, {"prototypes"}),
    E("GET", "/organization/nosuchorg/prototypes", 403, PROBLEM),
    E("POST", PROTOTYPES, 200, PROTOTYPE, {"role": "read", "activating_user": {"name": "owner"}, "delegate": READER}),
    E("POST", PROTOTYPES, 200, PROTOTYPE, {"role": "write", "delegate": MEMBERS}),
    E("POST", PROTOTYPES, 200, PROTOTYPE, {"role": "write", "delegate": MEMBERS}),
    E("POST", PROTOTYPES, 400, PROBLEM, {"role": "write", "delegate": MEMBERS, "activating_user": None}),
    E("POST", PROTOTYPES, 200, PROTOTYPE, {"role": "admin", "delegate": {"kind": "user", "name": "acme+robot"}}),
    E("POST", PROTOTYPES, 200, PROTOTYPE, {"role": "admin", "delegate": READER | {"is_robot": False, "avatar": {}}}),
    E("POST", PROTOTYPES, 400, PROBLEM, {"role": "read", "activating_user": {"name": "nobody"}, "delegate": READER}),
    E("POST", PROTOTYPES, 400, PROBLEM, {"role": "read", "delegate": {"kind": "user", "name": "nobody"}}),
    E("POST", PROTOTYPES, 400, PROBLEM, {"role": "read", "delegate": {"kind": "team", "name": "nobodies"}}),
    E("POST", PROTOTYPES, 400, PROBLEM, {"role": "read", "delegate": {"kind": "user", "name": "acme"}}),
    E("POST", PROTOTYPES, 400, PROBLEM, {"role": "read", "delegate": {"kind": "org", "name": "acme"}}),
    E("POST", PROTOTYPES, 400, PROBLEM, {"role": "read", "delegate": {"name": "reader"}}),
    E("POST", PROTOTYPES, 400, PROBLEM, {"role": "king", "delegate": READER}),
    E("POST", PROTOTYPES, 400, PROBLEM, {"role": "read"}),
    E("POST", PROTOTYPES, 400, PROBLEM, {}),
    E("POST", PROTOTYPES, 415, PROBLEM),
    E("POST", PROTOTYPES, 403, PROBLEM, {"role": "read", "delegate": READER}, by="creator"),
    E("POST", "/organization/nosuchorg/prototypes", 403, PROBLEM, {"role": "read", "delegate": READER}),
    E("PUT", NONE, 404, PROBLEM, {"role": "admin"}),
    E("PUT", NONE, 400, PROBLEM, {"role": "king"}),
    E("PUT", NONE, 400, PROBLEM, {}),
    E("PUT", NONE, 415, PROBLEM),
    E("DELETE", NONE, 404, PROBLEM),
    E("DELETE", "/organization/nosuchorg/prototypes/x", 403, PROBLEM),
]


@pytest.fixture
def by_push(api: Api) -> Any:
    """Creates a repository of acme as a client that pushes does."""

    def push(name: str, by: str) -> None:
        with api.database.read() as session:
            account = find_account(session, by)
            assert account is not None
            actor = api.services.superusers.identify(account)
        ensure_writable(api.database, api.services.settings, RepositoryName("acme", name), actor=actor)

    return push


def put(api: Api, role: str, delegate: dict[str, Any], activating: str | None = None) -> str:
    body = {"role": role, "delegate": delegate} | ({"activating_user": {"name": activating}} if activating else {})
    answer = api.post(PROTOTYPES, body, by="owner")
    assert answer.status == 200, answer
    return str(answer.body["id"])


def roles(api: Api, name: str) -> dict[str, str]:
    """Who has which role in the repository acme/`name`."""
    with api.database.read() as session:
        repository = find_repository(session, "acme", name)
        assert repository is not None
        found = session.scalars(select(Permission).where(Permission.repository_id == repository.id))
        return {(each.account or each.team).name: each.role for each in found}  # type: ignore[union-attr]


def create(api: Api, name: str, by: str) -> None:
    assert api.post("/repository", {"namespace": "acme", "repository": name}, by=by).status == 201


def test_exchanges_are_as_recorded(api: Api) -> None:
    play(api, SCRIPT)


def test_a_prototype_is_shown_with_whom_it_is_about(api: Api) -> None:
    put(api, "read", READER, "creator")
    put(api, "write", MEMBERS)
    put(api, "admin", {"kind": "user", "name": "acme+robot"})
    user, team, robot = api.get(PROTOTYPES, by="owner").body["prototypes"]
    activating = user["activating_user"]
    assert (activating["name"], activating["kind"], activating["is_org_member"]) == ("creator", "user", True)
    assert (user["delegate"]["name"], user["delegate"]["is_org_member"]) == ("reader", False)
    assert team["activating_user"] is None
    assert {**team["delegate"], "avatar": None} == {"name": "members", "kind": "team", "avatar": None}
    assert robot["delegate"]["kind"] == "user"
    assert (robot["delegate"]["is_robot"], robot["delegate"]["is_org_member"]) == (True, True)
    assert robot["delegate"]["avatar"]["kind"] == "robot"


def test_a_repository_created_by_rest_gets_the_permissions(api: Api) -> None:
    put(api, "read", READER)
    put(api, "write", MEMBERS)
    create(api, "new", by="creator")
    assert roles(api, "new") == {"creator": "admin", "reader": "read", "members": "write"}
    assert api.get("/repository/acme/new", by="member").body["can_write"] is True


def test_a_repository_created_by_a_push_gets_the_permissions(api: Api, by_push: Any) -> None:
    put(api, "write", READER)
    by_push("pushed", "creator")
    assert roles(api, "pushed") == {"creator": "admin", "reader": "write"}


def test_a_robot_that_creates_by_push_activates_what_is_for_it(api: Api, by_push: Any) -> None:
    api.put("/organization/acme/team/creators/members/acme+robot", by="owner")
    put(api, "read", READER)
    put(api, "admin", READER, "acme+robot")
    by_push("pushed", "acme+robot")
    assert roles(api, "pushed") == {"acme+robot": "admin", "reader": "admin"}


def test_what_is_for_one_creator_counts_more_than_what_is_for_all_and_not_for_others(api: Api) -> None:
    put(api, "read", READER, "creator")
    put(api, "admin", READER)
    create(api, "hers", by="creator")
    create(api, "his", by="owner")
    assert roles(api, "hers") == {"creator": "admin", "reader": "read"}
    assert roles(api, "his") == {"owner": "admin", "reader": "admin"}


def test_a_prototype_takes_nothing_from_who_creates(api: Api) -> None:
    put(api, "read", {"kind": "user", "name": "creator"})
    create(api, "new", by="creator")
    assert roles(api, "new") == {"creator": "admin"}


def test_prototypes_mean_nothing_outside_their_organization(api: Api) -> None:
    put(api, "admin", READER)
    api.post("/organization/", {"name": "other"}, by="owner")
    for namespace in ("other", "owner"):
        assert api.post("/repository", {"namespace": namespace, "repository": "x"}, by="owner").status == 201
        assert api.get(f"/repository/{namespace}/x", by="reader").status == 403


def test_one_prototype_for_the_same_two_whose_role_changes(api: Api) -> None:
    first = put(api, "read", MEMBERS)
    assert put(api, "write", MEMBERS) == first
    changed = api.put(f"{PROTOTYPES}/{first}", {"role": "admin"}, by="owner")
    assert (changed.status, changed.body["role"], changed.body["id"]) == (200, "admin", first)
    assert [each["role"] for each in api.get(PROTOTYPES, by="owner").body["prototypes"]] == ["admin"]


def test_a_deleted_prototype_leaves_old_permissions_and_gives_no_new_ones(api: Api) -> None:
    prototype = put(api, "read", READER)
    create(api, "old", by="owner")
    assert api.delete(f"{PROTOTYPES}/{prototype}", by="owner").status == 204
    assert api.delete(f"{PROTOTYPES}/{prototype}", by="owner").status == 404
    create(api, "new", by="owner")
    assert (roles(api, "old"), roles(api, "new")) == ({"owner": "admin", "reader": "read"}, {"owner": "admin"})


def test_the_prototypes_of_another_organization_cannot_be_touched(api: Api) -> None:
    prototype = put(api, "read", READER)
    api.post("/organization/", {"name": "other"}, by="stranger")
    for method, body in (("PUT", {"role": "admin"}), ("DELETE", None)):
        path = f"/organization/other/prototypes/{prototype}"
        assert api.call(method, path, json=body, by="stranger").status == 404
    assert [each["role"] for each in api.get(PROTOTYPES, by="owner").body["prototypes"]] == ["read"]


def test_who_leaves_the_organization_gets_no_permission_in_what_comes(api: Api) -> None:
    put(api, "read", {"kind": "user", "name": "member"})
    put(api, "admin", READER, "member")
    assert api.delete("/organization/acme/members/member", by="owner").status == 204
    assert api.get(PROTOTYPES, by="owner").body["prototypes"] == []


def test_there_is_a_limit(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prototypes, "MOST", 1)
    put(api, "read", READER)
    assert api.post(PROTOTYPES, {"role": "read", "delegate": MEMBERS}, by="owner").status == 400


def test_the_log_tells_of_each_change(api: Api) -> None:
    prototype = put(api, "read", READER, "creator")
    api.put(f"{PROTOTYPES}/{prototype}", {"role": "admin"}, by="owner")
    api.delete(f"{PROTOTYPES}/{prototype}", by="owner")
    with api.database.read() as session:
        rows = session.scalars(select(LogEntry).where(LogEntry.kind.like("%prototype%")).order_by(LogEntry.id)).all()
        owner = find_account(session, "owner")
        assert owner is not None
        assert {row.performer_id for row in rows} == {identity_of(owner).account_id}  # type: ignore[arg-type]
    same = {
        "namespace": "acme",
        "prototypeid": prototype,
        "username": "owner",
        "activating_username": "creator",
        "delegate_user": "reader",
    }
    assert api.logged(*{row.kind for row in rows}) == [
        ("create_prototype_permission", "owner", {**same, "role": "read"}),
        ("modify_prototype_permission", "owner", {**same, "role": "admin", "original_role": "read"}),
        ("delete_prototype_permission", "owner", {**same, "role": "admin"}),
    ]
