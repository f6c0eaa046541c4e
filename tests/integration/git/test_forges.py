"""Triggers register their hook and deploy key at a forge, and take them away again; each forge in its own words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.session import Database
from tests.factories.api import Answered, Api, make_app, make_services
from tests.factories.world import make_world
from tests.services.forge import SSH_URL, TOKEN, Forge, forge

TRIGGERS = "/repository/acme/app/trigger/"


@pytest.fixture
def api(database: Database, tmp_path: Path) -> Api:
    services = make_services(database, tmp_path, OUTBOUND_ALLOWED_PRIVATE_HOSTS=["127.0.0.1"])
    with database.write() as session:
        make_world(session)
    return Api(make_app(services))


@pytest.fixture(params=["github", "gitea", "gitlab", "bitbucket"])
def held(request: pytest.FixtureRequest) -> Iterator[Forge]:
    with forge(request.param) as running:
        yield running


def activated(api: Api, held: Forge, *, token: str = TOKEN) -> tuple[str, Answered]:
    config = {"build_source": "ada/app", "base_url": held.url}
    body = {"service": held.dialect, "config": config, "auth_token": token}
    url = f"{TRIGGERS}{api.post(TRIGGERS, body, by='owner').body['id']}"
    return url, api.post(f"{url}/activate", {"config": {}}, by="owner")


def secret_of(trigger: Any) -> str:
    return str(next(each["value"] for each in trigger["config"]["credentials"] if each["name"] == "Webhook Secret"))


def test_activation_registers_hook_and_key_and_deletion_removes_them(api: Api, held: Forge) -> None:
    url, answer = activated(api, held)

    assert answer.status == 200, answer.text
    (key,), (hook,) = held.keys.values(), held.hooks.values()
    assert key["key"].startswith("ssh-ed25519 ")
    assert key.get("read_only", True) is True
    assert key.get("can_push", False) is False
    settings = hook.get("config") or hook
    trigger = answer.body
    assert settings["url"] == f"http://localhost:8080/webhooks/push/trigger/{trigger['id']}"
    assert secret_of(trigger) == (settings.get("secret") or settings.get("token"))
    assert trigger["config"]["git_url"] == SSH_URL
    assert trigger["config"]["master_branch"] == "main"
    assert trigger["repository_url"] == f"{held.url}/ada/app"
    assert TOKEN not in answer.text

    assert api.delete(url, by="owner").status == 204
    assert (held.keys, held.hooks) == ({}, {})


def test_what_an_attempt_before_left_at_the_forge_is_replaced(api: Api, held: Forge) -> None:
    held.refuse = "no hooks today"
    url, refused = activated(api, held)
    assert refused.status == 400
    assert "no hooks today" in refused.body["detail"]
    assert held.keys == {}, "what was made before is taken away"
    assert api.get(url, by="owner").body["is_active"] is False
    held.refuse = None
    ours = f"http://localhost:8080/webhooks/push/trigger/{url.rpartition('/')[2]}"
    left = {"id": 99, "uuid": "99", "url": ours, "config": {"url": ours}}
    held.hooks = {
        "99": left,
        "98": {"id": 98, "uuid": "98", "url": "https://other", "config": {"url": "https://other"}},
    }

    assert api.post(f"{url}/activate", {"config": {}}, by="owner").status == 200

    assert "99" not in held.hooks
    assert "98" in held.hooks
    assert len(held.hooks) == 2


def test_a_forge_that_refuses_the_token_is_told_and_nothing_is_kept(api: Api, held: Forge) -> None:
    url, answer = activated(api, held, token="wrong")
    assert answer.status == 400
    assert "401" in answer.body["detail"]
    assert "auth_token" in answer.body["detail"]
    assert api.get(url, by="owner").body["is_active"] is False


def test_namespaces_and_sources_come_from_the_forge(api: Api, held: Forge) -> None:
    url, _ = activated(api, held)
    (namespace,) = api.get(f"{url}/namespaces", by="owner").body["namespaces"]
    assert (namespace["id"], namespace["url"]) == ("ada", "https://forge/ada")
    (source,) = api.post(f"{url}/sources", {"namespace": "ada"}, by="owner").body["sources"]
    assert (source["full_name"], source["private"], source["has_admin_permissions"]) == ("ada/app", True, True)
    assert api.post(f"{url}/sources", {"namespace": "other"}, by="owner").body["sources"] == []


def test_long_lists_are_read_page_by_page(api: Api, held: Forge) -> None:
    url, _ = activated(api, held)
    held.sources = 120
    assert len(api.post(f"{url}/sources", {"namespace": "ada"}, by="owner").body["sources"]) == 120


@pytest.mark.parametrize("about", [{}, [], "app"])
def test_a_forge_that_answers_in_another_form_is_told_and_gets_no_hook(api: Api, held: Forge, about: object) -> None:
    held.about = about
    _, answer = activated(api, held)
    assert (answer.status, answer.body["detail"]) == (503, "the forge: its answer is not of the form that was expected")
    assert (held.keys, held.hooks) == ({}, {})


def test_a_dead_forge_keeps_no_trigger(api: Api) -> None:
    with forge("gitea") as held:
        url, answer = activated(api, held)
    assert answer.status == 200
    assert api.delete(url, by="owner").status == 204
    assert api.get(url, by="owner").status == 404
