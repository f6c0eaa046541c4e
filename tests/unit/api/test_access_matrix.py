"""Who is admitted to which operation: every operation, everybody, every scope, against tables by rule."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from api import matrix, v1
from api.company import CALLERS
from api.endpoint import url_parameters
from api.matrix import TARGETS, YES, Row
from api.rules import Rule
from models.access import Identity, find_account
from models.authentication import Superusers
from models.errors import DomainError
from models.scopes import SCOPES, parse_scopes
from models.session import Session
from tests.factories.api import Api
from tests.factories.world import CLIENT_ID, ORGANIZATION, PRIVATE, PUBLIC, make_world

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
    "user_whole": USERS,
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
    "org_member": ADMINS | {"member", "creator"},
    "org_quota": ADMINS | {"root", "member", "creator"},
    "org_quota_admin": {"root", "almighty"},
}
"""Who may call the operations that name the rule; of those on a repository, with the private one."""
ADMITTED_TO_PUBLIC = {"repo_read": EVERYBODY, **dict.fromkeys(("repo_write", "repo_push", "repo_admin"), ADMINS)}
"""The same with the public repository, in which nobody was given a permission."""
COVERED = {
    "repo:read": {"repo:read", "repo:write", "repo:admin"},
    "repo:write": {"repo:write", "repo:admin"},
    **{scope: {scope} for scope in SCOPES if scope not in ("repo:read", "repo:write")},
}
"""The scopes of a token, one of which is needed for what asks for a scope."""
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
    "registry_host": "quay.io",
    "secret_name": "no-such-secret",
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


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return matrix.build()


def admits(session: Session, rule: Rule, caller: Identity, target: str = PRIVATE) -> bool:
    values = {**VALUES, "repository": target}
    try:
        rule.admit(session, caller, {name: values[name] for name in rule.takes})
    except DomainError:
        return False
    return True


def admitted(rule: str, target: str) -> set[str]:
    return ADMITTED_TO_PUBLIC[rule] if target == PUBLIC else ADMITTED[rule]


def targets(rule: Rule) -> tuple[str, ...]:
    return (PRIVATE, PUBLIC) if "repository" in rule.takes else ("",)


def test_every_rule_is_in_the_table() -> None:
    assert RULES.keys() == ADMITTED.keys()


def test_the_matrix_admits_to_every_operation_whom_the_table_says_and_nobody_else(rows: list[Row]) -> None:
    assert {(row.method, row.path, row.operation) for row in rows} == {
        (verb.upper(), f"/api/v1{url}", op.name) for verb, url, op in OPERATIONS
    }
    for row in rows:
        found = {who for who, verdict in row.callers.items() if verdict == YES}
        assert found == admitted(row.rule, row.target), f"{row.operation} {row.target}"
        assert row.callers.keys() == CALLERS.keys() == EVERYBODY
        assert row.tokens.keys() == SCOPES.keys()


def test_the_matrix_tells_how_callers_are_refused(rows: list[Row]) -> None:
    found = {(row.operation, row.target): row for row in rows}
    shown = found["getRepo", PRIVATE]
    assert (shown.callers["anonymous"], shown.callers["stranger"], shown.callers["reader"]) == ("401", "403", "yes")
    assert (shown.tokens["repo:read"], shown.tokens["user:read"]) == ("yes", "403")
    assert set(found["getRepo", PUBLIC].callers.values()) == {"yes"}
    assert found["createAppToken", ""].fresh


def test_a_token_allows_what_both_its_user_and_its_scope_allow(session: Session) -> None:
    callers = make_world(session)
    people = {who: callers[who] for who in USERS}
    for name, rule in RULES.items():
        for target in targets(rule):
            for scope in SCOPES:
                wanted = {who for who in people if allowed(rule, target, who, scope)}
                limited = {who: limit(session, caller, scope) for who, caller in people.items()}
                found = {who for who, caller in limited.items() if admits(session, rule, caller, target)}
                assert found == wanted, f"{name} of {target} with {scope}"


def allowed(rule: Rule, target: str, who: str, scope: str) -> bool:
    """Whether a token of this scope lets its user through."""
    if who in ("root", "almighty") and scope != "super:user":
        who = "stranger"  # a superuser by name only, without any right of its own
    covered = rule.scope is None or (scope in COVERED[rule.scope] and rule.name != "user_whole")
    needless = rule.name == "repository_list" or (rule.name == "repo_read" and target == PUBLIC)
    return who in admitted(rule.name, target) and (covered or needless)


def limit(session: Session, caller: Identity, scope: str) -> Identity:
    """The user as its token of one scope makes it."""
    account = find_account(session, caller.name or "")
    assert account
    names = frozenset({"root"} if caller.superuser else ())
    return Superusers(names, full_access=caller.full_access).identify(account, parse_scopes(scope))


def test_a_token_with_every_other_scope_is_refused(session: Session) -> None:
    callers = make_world(session)
    for name, rule in RULES.items():
        if rule.scope is None or name == "repository_list":
            continue
        others = " ".join(scope for scope in SCOPES if rule.scope not in (parse_scopes(scope) or ()))
        for caller in (callers["owner"], callers["almighty"]):
            assert not admits(session, rule, replace(caller, scopes=parse_scopes(others))), name


def test_what_rules_are_asked_about_in_the_matrix_is_there(session: Session) -> None:
    make_world(session)
    assert {name: VALUES[name] for name in TARGETS} == TARGETS
    assert {name for rule in RULES.values() for name in rule.takes} == TARGETS.keys()


def test_operations_with_a_scope_want_a_token(api: Api) -> None:
    for verb, url, op in OPERATIONS:
        answer = api.call(verb.upper(), fill(url))
        if op.allow.scope is None or op.allow.name == "repository_list":
            assert answer.status != 401, op.name
            continue
        assert answer.status == 401, op.name
        assert answer.body["error_type"] == "invalid_token"
        assert answer.body["session_required"] is False
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="localhost:8080"'


def test_a_bad_token_is_refused_everywhere(api: Api) -> None:
    for verb, url, op in OPERATIONS:
        answer = api.call(verb.upper(), fill(url), headers={"Authorization": "Bearer nonsense"})
        assert answer.status == 401, op.name
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def fill(url: str, values: Mapping[str, str] = VALUES) -> str:
    for name in url_parameters(url):
        url = url.replace(f"<{name}>", values[name]).replace(f"<repopath:{name}>", values[name])
    return url
