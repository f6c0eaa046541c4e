"""Logins at other registries and secrets of triggers: kept, used by builds, and shown to nobody."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from models.build_orders import Login, Order, take_order
from models.session import Database
from models.tables import Build, RegistryCredential, TriggerSecret
from tests.contract.conftest import Install
from tests.factories.api import Api
from tests.factories.triggers import SHA, TRIGGERS, active
from tests.factories.world import make_world

ORG, APP, USER = "/organization/acme", "/repository/acme/app", "/user"
LOGIN = {"username": "ann", "password": "hunter2hunter2"}
PASSWORD = LOGIN["password"]


@pytest.fixture
def kit(install: Install, database: Database) -> Api:
    """An installation that builds with BuildKit."""
    app = install(BUILD_ENGINE="buildkit")
    with database.write() as session:
        make_world(session)
    return Api(app)


def order_of(api: Api, uuid: str) -> Order:
    with api.database.write() as session:
        order = take_order(session, uuid, lifetime=timedelta(hours=1))
    assert order is not None
    return order


@pytest.mark.parametrize(("owner", "by"), [(ORG, "owner"), (APP, "owner"), (USER, "stranger")])
def test_a_login_is_set_listed_replaced_and_deleted_without_its_password(api: Api, owner: str, by: str) -> None:
    url = f"{owner}/registrycredential"
    assert api.get(f"{url}/", by=by).body == {"credentials": []}
    made = api.put(f"{url}/Quay.io:8443", LOGIN, by=by)
    assert made.status == 200
    assert (made.body["registry"], made.body["username"], made.body["changed_by"]) == ("quay.io:8443", "ann", by)
    assert api.put(f"{url}/quay.io:8443", {**LOGIN, "username": "bob"}, by=by).status == 200
    assert api.put(f"{url}/index.docker.io", LOGIN, by=by).body["registry"] == "docker.io"
    listed = api.get(f"{url}/", by=by)
    assert [(each["registry"], each["username"]) for each in listed.body["credentials"]] == [
        ("docker.io", "ann"),
        ("quay.io:8443", "bob"),
    ]
    assert PASSWORD not in made.text + listed.text
    assert api.delete(f"{url}/quay.io:8443", by=by).status == 204
    assert api.delete(f"{url}/quay.io:8443", by=by).status == 404
    logged = api.logged(about="registry_credential")
    assert [kind.partition("_")[0] for kind, _, _ in logged] == ["create", "change", "create", "delete"]
    assert logged[1][2].items() >= {"registry": "quay.io:8443", "username": "bob"}.items()
    assert PASSWORD not in str(logged)


@pytest.mark.parametrize(
    ("host", "body", "detail"),
    [
        ("a b", LOGIN, "registry: expected a host"),
        ("host:99999", LOGIN, "registry: expected a host"),
        ("localhost:8080", LOGIN, "registry: this is our own registry"),
        ("quay.io", {**LOGIN, "username": ""}, "username: expected"),
        ("quay.io", {**LOGIN, "username": "a:b"}, "username: expected"),
        ("quay.io", {**LOGIN, "password": ""}, "password: expected"),
    ],
)
def test_a_login_that_cannot_be_is_refused(api: Api, host: str, body: dict[str, Any], detail: str) -> None:
    answer = api.put(f"{ORG}/registrycredential/{host}", body, by="owner")
    assert answer.status == 400
    assert detail in answer.body["detail"]
    assert PASSWORD not in answer.text
    assert api.get(f"{ORG}/registrycredential/", by="owner").body == {"credentials": []}


def test_builds_get_the_logins_of_their_namespace_and_repository(api: Api, database: Database) -> None:
    api.put(f"{ORG}/registrycredential/quay.io", LOGIN, by="owner")
    api.put(f"{ORG}/registrycredential/ghcr.io", LOGIN, by="owner")
    api.put(f"{APP}/registrycredential/quay.io", {**LOGIN, "username": "app"}, by="owner")
    api.put("/repository/acme/open/registrycredential/gcr.io", LOGIN, by="owner")
    api.put(f"{USER}/registrycredential/docker.io", LOGIN, by="owner")
    with database.read() as session:
        assert PASSWORD not in str(session.scalars(select(RegistryCredential.encrypted_password)).all())
    build = api.post(f"{APP}/build/", {"archive_url": "https://example.com/a.tar"}, by="writer")
    order = order_of(api, build.body["id"])
    assert order.logins == {"quay.io": Login("app", PASSWORD), "ghcr.io": Login("ann", PASSWORD)}
    assert PASSWORD not in repr(order)


def test_a_trigger_has_secrets_whose_names_alone_are_told(kit: Api, database: Database) -> None:
    trigger = active(kit)
    url = f"{TRIGGERS}{trigger['id']}/secret/"
    made = kit.put(f"{url}npm", {"value": PASSWORD}, by="owner")
    assert (made.status, made.body["name"]) == (200, "npm")
    kit.put(f"{url}pip", {"value": "old"}, by="owner")
    kit.put(f"{url}pip", {"value": "new value"}, by="owner")
    listed = kit.get(url, by="owner")
    assert [each["name"] for each in listed.body["secrets"]] == ["npm", "pip"]
    for told in (made.text, listed.text, kit.get(TRIGGERS, by="owner").text, str(kit.logged(about="secret"))):
        assert PASSWORD not in told
    started = kit.post(f"{TRIGGERS}{trigger['id']}/start", {"commit_sha": SHA}, by="owner")
    assert dict(order_of(kit, started.body["id"]).options.secrets) == {"npm": PASSWORD, "pip": "new value"}
    assert kit.put(f"{url}a b", {"value": "x"}, by="owner").status == 400
    assert kit.delete(f"{url}npm", by="owner").status == 204
    assert kit.delete(f"{url}npm", by="owner").status == 404
    assert [kind for kind, _, _ in kit.logged(about="secret")] == ["set_trigger_secret"] * 3 + ["delete_trigger_secret"]
    kit.delete(f"{TRIGGERS}{trigger['id']}", by="owner")
    with database.read() as session:
        assert session.scalars(select(TriggerSecret)).all() == []


def test_secrets_of_a_trigger_need_an_engine_that_has_them(api: Api) -> None:
    trigger = active(api)
    refused = api.put(f"{TRIGGERS}{trigger['id']}/secret/npm", {"value": PASSWORD}, by="owner")
    assert refused.status == 400
    assert "images are built by docker here" in refused.body["detail"]


def test_arguments_in_a_triggers_configuration_reach_its_builds(api: Api, database: Database) -> None:
    told: dict[str, Any] = {
        "build_args": {"A": "1"},
        "labels": {"x": "y"},
        "target": "two",
        "platform": "linux/arm64",
        "cache": False,
    }
    trigger = active(api, **told)
    api.post(f"{TRIGGERS}{trigger['id']}/start", {"commit_sha": SHA}, by="owner")
    with database.read() as session:
        build = session.scalars(select(Build)).one()
    assert build.build_args == {"A": "1"}
    assert build.options == {"labels": {"x": "y"}, "target": "two", "platform": "linux/arm64", "cache": False}
    wrong = {"service": "custom-git", "config": {"build_args": {"BUILDKIT_X": "1"}}}
    assert api.post(TRIGGERS, wrong, by="owner").status == 400
