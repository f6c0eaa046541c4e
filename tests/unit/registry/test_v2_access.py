"""Who gets which token, and what a token allows."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import delete
from werkzeug.test import TestResponse

from models.access import Identity
from models.authentication import Superusers
from models.errors import Forbidden, Unauthenticated
from models.service_keys import rotate_service_key
from models.tables import LogEntry, Organization, Permission, Repository, Robot, ServiceKey, User
from registry.names import RepositoryName
from registry.refresh import seal_credentials
from registry.repositories import ensure_writable
from registry.tokens import Grant, Tokens
from tests.unit.registry.conftest import Registry, basic, repositories


def actions(registry: Registry, user: str | None, scope: str) -> list[str]:
    token = registry.token(user, scope)
    grant = registry.app.extensions["drydock.registry"].tokens.verify(token)
    return sorted(grant.access[scope.split(":")[1]])


def grant_role(registry: Registry, robot: str, role: str) -> None:
    with registry.services.database.write() as session:
        repository = session.query(Repository).filter_by(name="app").one()
        account = session.query(Robot).filter_by(name=robot).one()
        session.add(Permission(repository_id=repository.id, account_id=account.id, role=role))


def test_the_ping_asks_for_a_token_and_takes_an_anonymous_one(registry: Registry) -> None:
    answer = registry.client.get("/v2/", headers={"Host": "registry.example:5000"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="http://registry.example:5000/v2/auth",service="localhost:8080"'
    )
    assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
    token = registry.token(None)
    assert registry.client.get("/v2/", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_token_says_how_long_it_lives(registry: Registry) -> None:
    answer = registry.client.get("/v2/auth").get_json()
    assert answer["token"] == answer["access_token"]
    assert answer["expires_in"] == 3600
    assert time.strptime(answer["issued_at"], "%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    "header",
    [
        basic("acme+ci", "WRONG"),
        basic("nobody", "x"),
        basic("$oauthtoken", "x"),
        basic("$app", "x"),
        basic("$token", "x"),
        "Bearer x",
        "Nonsense",
    ],
)
def test_bad_credentials_get_no_token(registry: Registry, header: str) -> None:
    answer = registry.client.get("/v2/auth", headers={"Authorization": header})
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (401, "UNAUTHORIZED")
    assert "WWW-Authenticate" in answer.headers


def test_who_may_create_is_granted_a_push_to_what_does_not_exist_yet(registry: Registry) -> None:
    assert actions(registry, "acme+ci", "repository:acme/new:pull,push") == ["pull", "push"]
    assert actions(registry, "acme+reader", "repository:acme/new:pull,push") == []
    assert actions(registry, "stranger+bot", "repository:acme/new:pull,push") == []
    assert actions(registry, "acme+ci", "repository:nobody/new:pull,push") == []
    assert repositories(registry) == []


@pytest.mark.parametrize(
    ("role", "granted"), [("read", ["pull"]), ("write", ["pull", "push"]), ("admin", ["*", "pull", "push"])]
)
def test_roles_grant_actions(registry: Registry, role: str, granted: list[str]) -> None:
    registry.push_image()
    grant_role(registry, "acme+reader", role)
    assert actions(registry, "acme+reader", "repository:acme/app:pull,push,*") == granted


def test_anyone_pulls_what_is_public_and_nobody_else_what_is_private(registry: Registry, public: str) -> None:
    registry.push_image(repository=public)
    registry.push_image(repository="acme/app")
    assert actions(registry, None, f"repository:{public}:pull,push") == ["pull"]
    assert actions(registry, None, "repository:acme/app:pull") == []
    assert actions(registry, "stranger+bot", f"repository:{public}:pull,push") == ["pull"]
    answer = registry.call("GET", f"{public}/manifests/latest", user=None, repository=public)
    assert answer.status_code == 200


def test_several_scopes_in_one_token(registry: Registry, public: str) -> None:
    scopes = ("repository:acme/a:pull,push repository:elsewhere/b:pull", f"repository:{public}:pull")
    token = registry.token("acme+ci", *scopes)
    access = registry.app.extensions["drydock.registry"].tokens.verify(token).access
    assert {name: sorted(found) for name, found in access.items()} == {
        "acme/a": ["pull", "push"],
        "elsewhere/b": [],
        public: ["pull"],
    }


def test_who_may_create_a_repository_learns_that_there_is_none(registry: Registry) -> None:
    for user, status in (("acme+ci", 404), ("stranger+bot", 403)):
        headers = {"Authorization": f"Bearer {registry.token(user, 'repository:acme/absent:pull')}"}
        assert registry.client.get("/v2/acme/absent/manifests/latest", headers=headers).status_code == status


def test_without_a_token_the_challenge_names_the_scope(registry: Registry) -> None:
    answer = registry.client.get("/v2/acme/app/manifests/latest")
    assert answer.status_code == 401
    assert 'scope="repository:acme/app:pull"' in answer.headers["WWW-Authenticate"]
    answer = registry.client.post("/v2/acme/app/blobs/uploads/")
    assert 'scope="repository:acme/app:pull,push"' in answer.headers["WWW-Authenticate"]


def test_a_signed_in_caller_who_asked_in_vain_is_denied(registry: Registry) -> None:
    registry.push_image()
    for method, path in (("GET", "manifests/latest"), ("POST", "blobs/uploads/"), ("DELETE", "manifests/latest")):
        answer = registry.call(method, f"acme/app/{path}", user="stranger+bot")
        assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (403, "DENIED")
    answer = registry.call("GET", "acme/none/tags/list", user="stranger+bot", repository="acme/none")
    assert answer.status_code == 403  # as if it were there


def test_a_token_that_was_never_asked_for_the_push_is_told_to_ask(registry: Registry) -> None:
    registry.push_image()
    token = registry.token("acme+ci", "repository:acme/app:pull")
    answer = registry.client.post("/v2/acme/app/blobs/uploads/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert 'scope="repository:acme/app:pull,push"' in answer.headers["WWW-Authenticate"]


def test_who_asked_for_everything_in_vain_is_denied(registry: Registry) -> None:
    registry.push_image()
    token = registry.token("stranger+bot", "repository:acme/app:*")  # what skopeo asks for to delete
    answer = registry.client.get("/v2/acme/app/manifests/latest", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "scope", ["repository:acme/app:fly", "repository:acme/UPPER!!:pull", "repository:acme/app:pull,"]
)
def test_a_scope_that_is_none_is_refused(registry: Registry, scope: str) -> None:
    answer = registry.client.get("/v2/auth", query_string={"service": "x", "scope": scope})
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (400, "INVALID_REQUEST")


def test_a_token_for_one_repository_does_not_open_another(registry: Registry) -> None:
    registry.push_image(repository="acme/app")
    registry.push_image(repository="acme/two")
    token = registry.tokens["acme+ci", "acme/two"]
    answer = registry.client.get("/v2/acme/app/tags/list", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_tampered_and_foreign_tokens_are_refused(registry: Registry) -> None:
    token = registry.token("acme+ci", "repository:acme/app:pull")
    head, body, signature = token.split(".")
    for bad in ("x", f"{head}.{body}.", f"{head}.{body[:-2]}AA.{signature}", f"{head}.{body}.{signature[::-1]}"):
        answer = registry.client.get("/v2/", headers={"Authorization": f"Bearer {bad}"})
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_expired_tokens_are_refused(registry: Registry) -> None:
    tokens: Tokens = registry.app.extensions["drydock.registry"].tokens
    token = tokens.issue(Grant(tokens.verify(registry.token("acme+ci")).identity), now=time.time() - 7200)
    answer = registry.client.get("/v2/", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.get_json()["errors"][0]["detail"]) == (401, "the token has expired")


def test_tokens_outlive_the_rotation_of_their_key(registry: Registry) -> None:
    old = registry.token("acme+ci")
    with registry.services.database.write() as session:
        rotate_service_key(session, keep_s=3600)
    fresh = Tokens(registry.services.database, audience="localhost:8080", lifetime_s=60)
    assert fresh.verify(old).identity.name == "acme+ci"
    new = fresh.issue(Grant(fresh.verify(old).identity))
    assert registry.client.get("/v2/", headers={"Authorization": f"Bearer {old}"}).status_code == 200
    assert registry.client.get("/v2/", headers={"Authorization": f"Bearer {new}"}).status_code == 200


def test_a_key_that_another_process_just_made_is_known_to_all_who_ask_at_once(registry: Registry) -> None:
    database = registry.services.database
    here = Tokens(database, audience="localhost:8080", lifetime_s=60)
    here.verify(here.issue(Grant(Identity(name="somebody"))))
    for _ in range(5):
        with database.write() as session:
            rotate_service_key(session, keep_s=3600)
        there = Tokens(database, audience="localhost:8080", lifetime_s=60)
        tokens = [there.issue(Grant(Identity(name=str(number)))) for number in range(16)]
        together = Barrier(len(tokens))

        def verify(token: str, together: Barrier = together) -> str:
            together.wait()
            return str(here.verify(token).identity.name)

        with ThreadPoolExecutor(len(tokens)) as pool:
            assert list(pool.map(verify, tokens)) == [str(number) for number in range(16)]


def test_names_of_keys_that_somebody_invented_are_refused(registry: Registry) -> None:
    foreign = Tokens(registry.services.database, audience="localhost:8080", lifetime_s=60)
    token = foreign.issue(Grant(Identity(name="somebody")))
    with registry.services.database.write() as session:
        session.execute(delete(ServiceKey))
    tokens = Tokens(registry.services.database, audience="localhost:8080", lifetime_s=60)
    with pytest.raises(Unauthenticated, match="a key it no longer has"):
        tokens.verify(token)


def test_the_first_push_creates_a_private_repository_and_its_creator_administers_it(registry: Registry) -> None:
    registry.push_image(repository="acme/deep/er")
    with registry.services.database.read() as session:
        repository = session.query(Repository).one()
        permission = session.query(Permission).one()
        assert (repository.name, repository.is_public, permission.role) == ("deep/er", False, "admin")


def test_a_push_creates_the_namespace_only_where_that_is_allowed(registry: Registry) -> None:
    with registry.services.database.read() as session:
        identity = Superusers().identify(session.query(User).filter_by(name="owner").one())
    off = registry.services.settings
    on = off.model_copy(update={"CREATE_NAMESPACE_ON_PUSH": True})
    name = RepositoryName("fresh", "app")
    with pytest.raises(Forbidden):
        ensure_writable(registry.services.database, off, name, actor=identity)
    with pytest.raises(Forbidden):
        ensure_writable(registry.services.database, on, RepositoryName("acme", "x"), actor=identity)
    ensure_writable(registry.services.database, on, name, actor=identity)
    assert repositories(registry) == ["fresh/app"]


def test_a_read_only_repository_takes_no_push_but_is_pulled(registry: Registry) -> None:
    registry.push_image()
    with registry.services.database.write() as session:
        session.query(Repository).one().state = "READ_ONLY"
    assert registry.call("POST", "acme/app/blobs/uploads/").status_code == 405
    assert registry.call("DELETE", "acme/app/manifests/latest").status_code == 405
    assert registry.call("GET", "acme/app/manifests/latest").status_code == 200


def test_the_catalog_shows_what_the_caller_may_read(registry: Registry, public: str) -> None:
    registry.push_image(repository="acme/app")
    for user, expected in ((None, [public]), ("acme+ci", ["acme/app", public]), ("stranger+bot", [public])):
        token = registry.token(user, "registry:catalog:*")
        answer = registry.client.get("/v2/_catalog", headers={"Authorization": f"Bearer {token}"})
        assert answer.get_json() == {"repositories": expected}
    assert registry.client.get("/v2/_catalog").get_json() == {"repositories": [public]}
    other = registry.token("acme+ci", "repository:acme/app:pull")
    answer = registry.client.get("/v2/_catalog", headers={"Authorization": f"Bearer {other}"})
    assert answer.status_code == 401
    assert 'scope="registry:catalog:*"' in answer.headers["WWW-Authenticate"]


def test_failed_log_ins_are_logged_where_the_owner_sees_them(registry: Registry) -> None:
    registry.client.get("/v2/auth", headers={"Authorization": basic("acme+ci", "WRONG")})
    with registry.services.database.read() as session:
        entry = session.query(LogEntry).one()
        acme = session.query(Organization).one()
        assert (entry.kind, entry.namespace_id, entry.ip) == ("login_failure", acme.id, "127.0.0.1")
        assert "WRONG" not in str(entry.detail)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("UPPER/app/tags/list", "NAME_INVALID"),
        ("single/tags/list", "NAME_INVALID"),
        ("acme/app/blobs/sha256:zz", "DIGEST_INVALID"),
        ("acme/app/manifests/sha256:zz", "DIGEST_INVALID"),
        ("nothing/here", "NAME_UNKNOWN"),
    ],
)
def test_malformed_names_are_told(registry: Registry, path: str, code: str) -> None:
    registry.push_blob(b"x")
    answer = registry.call("GET", path)
    assert answer.status_code in (400, 404)
    assert answer.get_json()["errors"][0]["code"] == code


def test_full_access_superusers_read_everything(registry: Registry) -> None:
    registry.push_image()
    with registry.services.database.read() as session:
        user = session.query(User).filter_by(name="owner").one()
    tokens: Tokens = registry.app.extensions["drydock.registry"].tokens
    identity = Superusers(frozenset({"owner"}), full_access=True).identify(user)
    access = {"acme/app": frozenset({"pull"})}
    token = tokens.issue(Grant(identity, access))
    answer = registry.client.get("/v2/acme/app/tags/list", headers={"Authorization": f"Bearer {token}"})
    assert answer.get_json()["tags"] == ["latest"]


@pytest.mark.parametrize("header", [{"alg": "Ed25519", "crit": 1, "kid": "a"}, {"alg": "none"}, {"kid": []}, []])
def test_tokens_of_any_other_form_are_refused(registry: Registry, header: object) -> None:
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    answer = registry.client.get("/v2/", headers={"Authorization": f"Bearer {head}.e30.c2ln"})
    assert answer.status_code == 401


@pytest.mark.parametrize("name", ["a\0b", "a" * 512, "a+" + "b" * 5000])
def test_names_that_nobody_can_have_are_refused_and_not_written_down(registry: Registry, name: str) -> None:
    answer = registry.client.get("/v2/auth", headers={"Authorization": basic(name, "password")})
    assert answer.status_code == 401
    form = {"grant_type": "password", "username": name, "password": "password"}
    assert registry.client.post("/v2/auth", data=form).status_code == 401
    with registry.services.database.read() as session:
        assert session.query(LogEntry).filter_by(kind="login_failure").count() == 0


def ask_by_form(registry: Registry, **form: str) -> TestResponse:
    return registry.client.post("/v2/auth", data={"service": "drydock", "client_id": "tests", **form})


def test_a_refresh_token_stands_for_the_credentials(registry: Registry) -> None:
    registry.push_image()
    headers = {"Authorization": basic("acme+ci", "TOKEN-OF-ACME+CI")}
    answer = registry.client.get("/v2/auth?offline_token=true", headers=headers)
    refresh = answer.get_json()["refresh_token"]
    assert "TOKEN-OF" not in refresh
    assert answer.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    scope = "repository:acme/app:pull,push repository:acme/none:*"
    form = {"grant_type": "refresh_token", "refresh_token": refresh, "scope": scope}
    given = ask_by_form(registry, **form).get_json()
    assert (given["scope"], given["expires_in"]) == ("repository:acme/app:pull,push", 3600)
    assert "refresh_token" not in given
    headers = {"Authorization": f"Bearer {given['access_token']}"}
    assert registry.client.get("/v2/acme/app/tags/list", headers=headers).status_code == 200
    again = ask_by_form(registry, **form, access_type="offline").get_json()["refresh_token"]
    assert ask_by_form(registry, **form | {"refresh_token": again}).status_code == 200


def test_a_refresh_token_ends_with_what_it_stands_for(registry: Registry) -> None:
    form = {"grant_type": "password", "username": "acme+ci", "password": "TOKEN-OF-ACME+CI", "access_type": "offline"}
    refresh = ask_by_form(registry, **form).get_json()["refresh_token"]
    with registry.services.database.write() as session:
        robot = session.query(Robot).filter_by(name="acme+ci").one()
        robot.encrypted_token = session.vault.encrypt("ANOTHER")
    assert ask_by_form(registry, grant_type="refresh_token", refresh_token=refresh).status_code == 401


def test_other_refresh_tokens_are_refused(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = registry.services.database.vault
    monkeypatch.setattr("registry.refresh.LIFE_S", -1)
    old = seal_credentials(vault, "acme+ci", "TOKEN-OF-ACME+CI")
    for token, why in (
        (old, "expired"),
        (vault.encrypt("TOKEN-OF-ACME+CI"), "not issued"),
        (vault.encrypt('{"kind": "other"}'), "not issued"),
        ("x" * 10_000, "not issued"),
        ("", "not issued"),
        ("é", "not issued"),
    ):
        answer = ask_by_form(registry, grant_type="refresh_token", refresh_token=token)
        assert answer.status_code == 401
        assert why in answer.get_json()["errors"][0]["detail"]
    answer = ask_by_form(registry, grant_type="authorization_code")
    assert (answer.status_code, answer.get_json()["error"]) == (400, "unsupported_grant_type")
