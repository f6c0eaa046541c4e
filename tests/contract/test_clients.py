"""What programs made for Quay do: the calls of the Ansible collection infra.quay_configuration, and what it reads.

Each test is one module of the collection, run twice: the second time there is nothing left to change. It compares what
it wants with what it is shown, field by field, and sends fields that no operation asks for.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.factories.api import Api
from tests.factories.pusher import Pusher

Fields = dict[str, Any]
ACME, APP = "/organization/acme", "/repository/acme/app"


class Module:
    """A module of the collection: how it makes calls, and which answers it takes for success."""

    def __init__(self, api: Api, by: str) -> None:
        self.api = api
        self.by = by

    def read(self, path: str, *, none: tuple[int, ...] = (404,)) -> Any:
        """What is there; None if it is not."""
        answer = self.api.get(path, by=self.by, headers={"Content-Type": "application/json"})
        if answer.status in none:
            return None
        assert answer.status == 200, answer.text
        return answer.body

    def create(self, path: str, fields: Fields) -> Any:
        answer = self.api.post(path, fields, by=self.by)
        assert answer.status in {200, 201, 204}, answer.text
        return answer.body

    def put(self, path: str, fields: Fields) -> Any:
        answer = self.api.put(path, fields, by=self.by)
        assert answer.status in {200, 201, 204}, answer.text
        return answer.body

    def update(self, found: Fields | None, path: str, fields: Fields) -> bool:
        """Change what differs; whether there was anything."""
        differs = any((found or {}).get(name) != value for name, value in fields.items())
        if differs:
            self.put(path, fields)
        return differs

    def remove(self, path: str) -> bool:
        answer = self.api.delete(path, by=self.by, headers={"Content-Type": "application/json"})
        assert answer.status in {200, 201, 202, 204, 400, 404}, answer.text
        return answer.status < 400

    def account(self, name: str) -> Any:
        """A robot or user, as every module looks for one."""
        namespace, plus, short = name.partition("+")
        if plus:
            return self.read(f"/organization/{namespace}/robots/{short}", none=(400, 404))
        assert self.read(f"/user/robots/{name}", none=(400, 404)) is None
        found = self.read(f"/entities/{name}?includeOrgs=False&includeTeams=False")["results"]
        return next((entity for entity in found if entity.get("name") == name), None)


def ensure_organization(module: Module) -> bool:
    """quay_organization: name, email, tag_expiration_s."""
    wanted = {"email": "new@example.com", "tag_expiration_s": 86_400}
    found = module.read("/organization/neworg")
    if found is None:
        assert module.create("/organization/", {"name": "neworg", "email": "new@example.com"}) == "Created"
    return module.update(found, "/organization/neworg", wanted)


def ensure_robot(module: Module) -> bool:
    """quay_robot."""
    found = module.read(f"{ACME}/robots/deployer", none=(400, 404))
    if found is None:
        found = module.put(f"{ACME}/robots/deployer", {"description": "Deploys"})
        assert {"name", "token"} <= found.keys()
        assert found["unstructured_metadata"] is None
        return True
    assert found["unstructured_metadata"] == {}
    assert (found["name"], found["description"]) == ("acme+deployer", "Deploys")
    return False


def ensure_team(module: Module) -> bool:
    """quay_team: it sends the team's name, too, and is content with whoever is found among the entities."""
    found = module.read(ACME)["teams"].get("builders")
    changed = module.update(
        found, f"{ACME}/team/builders", {"name": "builders", "role": "creator", "description": "Those who build"}
    )
    members = module.read(f"{ACME}/team/builders/members?includePending=True")["members"]
    for name in {"reader", "acme+robot"} - {member["name"] for member in members}:
        assert module.account(name)
        module.put(f"{ACME}/team/builders/members/{name}", {})
        changed = True
    return changed


def ensure_permission(module: Module) -> bool:
    """quay_repository: what users and teams may do in it."""
    changed = False
    for kind, name in (("team", "members"), ("user", "stranger"), ("user", "acme+idle-robot")):
        path = f"{APP}/permissions/{kind}/"
        found = {(each["name"], each["role"]) for each in module.read(path)["permissions"].values()}
        if (name, "read") not in found:
            module.put(f"{path}{name}", {"role": "read"})
            changed = True
    return changed


def ensure_default_permission(module: Module) -> bool:
    """quay_default_perm."""
    for each in module.read(f"{ACME}/prototypes")["prototypes"]:
        if (each["delegate"]["name"], each["delegate"]["kind"]) == ("members", "team"):
            assert each["activating_user"]["name"] == "creator"
            return module.update(each, f"{ACME}/prototypes/{each['id']}", {"role": "write"})
    assert module.account("creator")
    wanted = {"delegate": {"name": "members", "kind": "team"}, "role": "write", "activating_user": {"name": "creator"}}
    assert {"id", "role", "delegate", "activating_user"} <= module.create(f"{ACME}/prototypes", wanted).keys()
    return True


def ensure_repository(module: Module) -> bool:
    """quay_repository: itself, its description, visibility, state and star."""
    path = "/repository/acme/tool"
    found = module.read(path)
    if found is None:
        wanted = {"namespace": "acme", "repository": "tool", "repo_kind": "image", "description": "A tool"}
        module.create("/repository", {**wanted, "visibility": "private"})
        module.create(f"{path}/changevisibility", {"visibility": "public"})
        module.put(f"{path}/changestate", {"state": "READ_ONLY"})
        module.create("/user/starred", {"namespace": "acme", "repository": "tool"})
        return True
    assert (found["is_public"], found["state"], found["is_starred"]) == (True, "READ_ONLY", True)
    return module.update(found, path, {"description": "A tool"})


def ensure_notification(module: Module) -> bool:
    """quay_notification: it sends what limits the event by both of its names."""
    path = f"{APP}/notification/"
    for each in module.read(path)["notifications"]:
        if each["title"] == "Tell them":
            assert (each["event_config"], each["number_of_failures"]) == ({"days": 10}, 0)
            return False
    limits = {"eventConfig": {"days": 10}, "event_config": {"days": 10}}
    wanted = {"title": "Tell them", "event": "repo_image_expiry", "method": "quay_notification"}
    made = module.create(path, {**wanted, **limits, "config": {"target": {"name": "members", "kind": "team"}}})
    module.create(f"{path}{made['uuid']}/test", {})
    module.create(f"{path}{made['uuid']}", {})
    return True


def ensure_application(module: Module) -> bool:
    """quay_application: it sends all that it was shown."""
    for each in module.read(f"{ACME}/applications")["applications"]:
        if each["name"] == "deployment":
            uris = {"application_uri": each["application_uri"], "redirect_uri": each["redirect_uri"]}
            wanted = {"name": "deployment", "description": "Deploys", **uris}
            return module.update(each, f"{ACME}/applications/{each['client_id']}", wanted)
    assert module.create(f"{ACME}/applications", {"name": "deployment", "description": "Deploys"})["client_secret"]
    return True


def ensure_pruning(module: Module) -> bool:
    """quay_organization with auto_prune_method: the policy that is there is changed, and its uuid sent along."""
    path = f"{ACME}/autoprunepolicy/"
    policies = module.read(path)["policies"]
    if not policies:
        assert module.create(path, {"method": "number_of_tags", "value": 20})["uuid"]
        return ensure_pruning(module)
    (policy,) = policies
    assert (policy["tagPattern"], policy["tagPatternMatches"]) == (None, True)
    wanted = {"method": "creation_date", "value": "7d"}
    if all(policy[name] == value for name, value in wanted.items()):
        return False
    module.put(f"{path}{policy['uuid']}", {**wanted, "uuid": policy["uuid"]})
    return True


def ensure_immutability(module: Module) -> bool:
    """quay_organization_immutability."""
    path = f"{ACME}/immutabilitypolicy/"
    for each in module.read(path)["policies"]:
        wanted = {"tagPattern": "^v", "tagPatternMatches": True}
        return module.update(each, f"{path}{each['uuid']}", wanted)
    module.create(path, {"tagPattern": "^v", "tagPatternMatches": True})
    return True


def ensure_app_token(module: Module) -> bool:
    """quay_docker_token."""
    for each in module.read("/user/apptoken")["tokens"]:
        if each["title"] == "laptop":
            assert module.read(f"/user/apptoken/{each['uuid']}")["token"]["token_code"]
            return False
    assert module.create("/user/apptoken", {"title": "laptop"})["token"]["token_code"]
    return True


@pytest.mark.parametrize(
    "run",
    [
        ensure_organization,
        ensure_robot,
        ensure_team,
        ensure_permission,
        ensure_default_permission,
        ensure_repository,
        ensure_notification,
        ensure_application,
        ensure_pruning,
        ensure_immutability,
        ensure_app_token,
    ],
)
def test_a_module_finds_what_it_has_made(api: Api, run: Callable[[Module], bool]) -> None:
    module = Module(api, "owner")
    assert (run(module), run(module)) == (True, False)


def ensure_user(module: Module) -> bool:
    """quay_user."""
    found = module.read("/superuser/users/ann")
    if found is None:
        module.create("/superuser/users/", {"username": "ann", "email": "ann@example.com"})
        found = {"username": "ann", "email": "ann@example.com", "enabled": True}
        return module.update(found, "/superuser/users/ann", {"superuser": False, "enabled": False})
    assert found["super_user"] is False
    return module.update(found, "/superuser/users/ann", {"enabled": False, "email": "ann@example.com"})


def ensure_message(module: Module) -> bool:
    """quay_message."""
    wanted = {"content": "Maintenance at six", "severity": "warning", "media_type": "text/plain"}
    for each in module.read("/messages")["messages"]:
        if wanted.items() <= each.items():
            return False
    module.create("/messages", {"message": wanted})
    return True


def ensure_quota(module: Module) -> bool:
    """quay_quota."""
    quotas = module.api.get(ACME, by="owner").body["quotas"]
    if not quotas:
        assert module.create(f"{ACME}/quota", {"limit_bytes": 1_000_000}) == "Created"
        (quota,) = module.read(f"{ACME}/quota")
        module.create(f"{ACME}/quota/{quota['id']}/limit", {"type": "Warning", "threshold_percent": 80})
        return True
    (quota,) = quotas
    (limit,) = quota["limits"]
    assert (limit["type"], limit["limit_percent"]) == ("Warning", 80)
    return module.update(quota, f"{ACME}/quota/{quota['id']}", {"limit_bytes": 1_000_000})


@pytest.mark.parametrize("run", [ensure_user, ensure_message, ensure_quota])
def test_a_superusers_module_finds_what_it_has_made(api: Api, run: Callable[[Module], bool]) -> None:
    module = Module(api, "root")
    assert (run(module), run(module)) == (True, False)


def test_a_user_is_removed_as_the_collection_does_it(api: Api) -> None:
    module = Module(api, "root")
    module.create("/superuser/users/", {"username": "ann"})
    module.put("/superuser/users/ann", {"enabled": True, "superuser": False})
    assert module.remove("/superuser/users/ann")
    assert module.read("/superuser/users/ann") is None


def test_nobody_becomes_a_superuser_without_being_told_so(api: Api) -> None:
    answer = api.put("/superuser/users/reader", {"superuser": True}, by="root")
    assert (answer.status, answer.body["error_type"]) == (400, "invalid_request")
    assert "SUPER_USERS" in answer.body["message"]
    assert api.put("/superuser/users/root", {"superuser": False}, by="root").status == 400


def test_tags_and_labels_are_set_as_the_collection_does_it(api: Api, pusher: Pusher) -> None:
    """quay_tag, quay_manifest_label, quay_layer_info and quay_vulnerability_info."""
    pusher.image("v1")
    module = Module(api, "owner")
    (tag,) = module.read(f"{APP}/tag/?onlyActiveTags=True&limit=100&page=1&specificTag=v1")["tags"]
    assert tag["immutable"] is False
    digest = tag["manifest_digest"]
    module.put(f"{APP}/tag/latest", {"manifest_digest": digest})
    module.put(f"{APP}/tag/latest", {"expiration": 2_000_000_000})
    tags = module.read(f"{APP}/tag/?onlyActiveTags=True&limit=100&page=1")["tags"]
    assert {each["name"]: each.get("end_ts") for each in tags} == {"v1": None, "latest": 2_000_000_000}
    labels = f"{APP}/manifest/{digest}/labels"
    made = module.create(labels, {"key": "stage", "value": "test", "media_type": "text/plain"})["label"]
    assert made in module.read(labels)["labels"]
    assert module.remove(f"{labels}/{made['id']}")
    shown = module.read(f"{APP}/manifest/{digest}")
    assert sorted(layer["index"] for layer in shown["layers"]) == list(range(len(shown["layers"])))
    assert module.read(f"{APP}/manifest/{digest}/security?vulnerabilities=True").keys() >= {"status", "data"}
    assert module.remove(f"{APP}/tag/latest")
    assert not module.remove(f"{APP}/tag/latest")


def test_terraform_changes_what_it_has_made(api: Api) -> None:
    """The provider enthought/quay: it sends an organization's name along, and reads descriptions as text."""
    module = Module(api, "root")
    module.create("/organization/", {"name": "infra", "email": "infra@example.com"})
    module.put("/organization/infra", {"name": "infra", "email": "ops@example.com"})
    module.put("/superuser/organizations/infra", {"name": "operations", "email": "ops@example.com"})
    organization = module.read("/organization/operations")
    assert (organization["name"], organization["email"]) == ("operations", "ops@example.com")
    module.put("/organization/operations/team/ops", {"role": "member", "description": ""})
    module.put("/organization/operations/team/ops/members/reader", {})
    team = module.read("/organization/operations")["teams"]["ops"]
    assert (team["role"], team["description"]) == ("member", "")
    robot = module.put("/organization/operations/robots/bot", {"description": ""})
    assert (robot["description"], robot["last_accessed"]) == ("", None)
    wanted = {"namespace": "operations", "repository": "x", "visibility": "private", "description": ""}
    module.create("/repository", wanted)
    path = "/repository/operations/x"
    module.put(f"{path}/permissions/team/ops", {"role": "read"})
    assert module.read(f"{path}/permissions/team/ops")["role"] == "read"
    module.put(path, {"description": "Things"})
    assert module.read(path)["description"] == "Things"
    for each in (f"{path}/permissions/team/ops", path, "/organization/operations/robots/bot"):
        assert module.remove(each)
    assert module.remove("/organization/operations/team/ops/members/reader")
    gone = api.delete("/organization/operations/team/ops/members/nobody", by="root")
    assert (gone.status, gone.body["status"]) == (404, 404)
    assert module.remove("/organization/operations/team/ops")
    assert module.remove("/organization/operations")
