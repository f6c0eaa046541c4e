"""Who is admitted to which operation, for every rule that any operation names."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from api import v1
from api.endpoint import Operation, url_parameters
from api.rules import Rule
from models.access import Identity
from models.errors import DomainError
from models.scopes import SCOPES, parse_scopes
from models.session import Session
from tests.factories.api import Api
from tests.factories.world import CLIENT_ID, ORGANIZATION, PRIVATE, make_world

USERS = {"stranger", "reader", "writer", "repo_admin", "member", "creator", "owner", "root", "almighty"}
EVERYBODY = USERS | {"robot", "idle_robot", "token", "anonymous"}
ADMINS = {"owner", "almighty"}
WRITERS = ADMINS | {"repo_admin", "writer", "robot", "token"}

ADMITTED = {
    "anyone": EVERYBODY,
    "visitor": EVERYBODY,
    "repository_list": EVERYBODY,
    "organization_shown": EVERYBODY,
    "application_shown": EVERYBODY,
    "user_read": USERS,
    "user_admin": USERS,
    "stargazer": USERS,
    "repo_create": USERS | {"robot", "idle_robot"},
    "repo_read": WRITERS | {"reader"},
    "repo_write": WRITERS,
    "repo_push": WRITERS,
    "repo_admin": ADMINS | {"repo_admin"},
    "org_admin": ADMINS,
    "application_admin": ADMINS,
    "team_view": ADMINS | {"member"},
    "team_admin": ADMINS,
    "superuser": {"root", "almighty"},
    "superuser_over_namespace": {"root", "almighty"},
    "superuser_over_organization": {"root", "almighty"},
    "superuser_over_user": {"root", "almighty"},
    "org_quota": ADMINS | {"root", "member", "creator"},
    "org_quota_admin": {"root", "almighty"},
}
VALUES = {
    "access_token_uuid": "no-such-token",
    "assigned_authorization_uuid": "no-such-assignment",
    "client_id": CLIENT_ID,
    "token_uuid": "no-such-token",
    "repository": PRIVATE,
    "orgname": ORGANIZATION,
    "teamname": "members",
    "membername": "member",
    "username": "stranger",
    "robot_shortname": "robot",
    "build_uuid": "no-such-build",
    "manifestref": "sha256:" + "0" * 64,
    "code": "no-such-token",
    "error_type": "not_found",
    "image_id": "0" * 64,
    "imageid": "0" * 64,
    "kid": "no-such-key",
    "labelid": "no-such-label",
    "limit_id": "1",
    "namespace": ORGANIZATION,
    "policy_uuid": "no-such-policy",
    "quota_id": "1",
    "name": ORGANIZATION,
    "delivery_uuid": "no-such-delivery",
    "field_name": "refs",
    "service_id": "keycloak",
    "tag": "latest",
    "email": "guest@example.com",
    "prefix": "re",
    "prototypeid": "no-such-prototype",
    "trigger_uuid": "no-such-trigger",
    "uuid": "no-such-notification",
}
OPERATIONS = [(verb, url, op) for section in v1.SECTIONS for verb, url, op in section.operations]
RULES = {op.allow.name: op.allow for _, _, op in OPERATIONS}


@pytest.fixture
def session(api: Api) -> Iterator[Session]:
    with api.database.write() as session:
        yield session


def admits(session: Session, rule: Rule, caller: Identity) -> bool:
    try:
        rule.admit(session, caller, {name: VALUES[name] for name in rule.takes})
    except DomainError:
        return False
    return True


def test_every_rule_is_in_the_table() -> None:
    assert RULES.keys() == ADMITTED.keys()


def test_rules_admit_whom_the_table_says_and_nobody_else(session: Session) -> None:
    callers = make_world(session)
    found = {
        name: {who for who, caller in callers.items() if admits(session, rule, caller)} for name, rule in RULES.items()
    }
    assert found == ADMITTED


def test_a_token_with_every_other_scope_is_refused(session: Session) -> None:
    callers = make_world(session)
    almighty = callers["almighty"]
    for name, rule in RULES.items():
        if rule.scope is None or name == "repository_list":
            continue
        others = " ".join(scope for scope in SCOPES if rule.scope not in (parse_scopes(scope) or ()))
        for caller in (callers["owner"], almighty):
            assert not admits(session, rule, replace(caller, scopes=parse_scopes(others))), name


def test_a_token_with_the_scope_is_as_good_as_its_user(session: Session) -> None:
    callers = make_world(session)
    for name, rule in RULES.items():
        if rule.scope is not None:
            caller = replace(callers["almighty"], scopes=parse_scopes(rule.scope))
            assert admits(session, rule, caller), name


def test_reading_a_public_repository_needs_no_scope(session: Session) -> None:
    callers = make_world(session)
    for scopes in (None, frozenset({"user:read"})):
        args = {"repository": "acme/public"}
        RULES["repo_read"].admit(session, replace(callers["stranger"], scopes=scopes), args)
        assert args["repository"].path == "acme/public"  # type: ignore[attr-defined]


@pytest.mark.parametrize(("verb", "url", "op"), OPERATIONS, ids=[op.name for _, _, op in OPERATIONS])
def test_operations_with_a_scope_want_a_token(api: Api, verb: str, url: str, op: Operation) -> None:
    answer = api.call(verb.upper(), fill(url))
    if op.allow.scope is None or op.allow.name == "repository_list":
        assert answer.status != 401
        return
    assert answer.status == 401
    assert answer.body["error_type"] == "invalid_token"
    assert answer.body["session_required"] is False
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="localhost:8080"'


@pytest.mark.parametrize(("verb", "url"), [(verb, url) for verb, url, _ in OPERATIONS])
def test_a_bad_token_is_refused_everywhere(api: Api, verb: str, url: str) -> None:
    answer = api.call(verb.upper(), fill(url), headers={"Authorization": "Bearer nonsense"})
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_the_table_for_reviewers_has_every_operation() -> None:
    table = v1.access_table()
    assert [row.operation for row in table] == [op.name for _, _, op in OPERATIONS]
    assert all(row.allowed and row.path.startswith("/api/v1/") for row in table)


def fill(url: str) -> str:
    for name in url_parameters(url):
        url = url.replace(f"<{name}>", VALUES[name]).replace(f"<repopath:{name}>", VALUES[name])
    return url
