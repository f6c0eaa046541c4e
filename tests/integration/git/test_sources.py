"""What the REST API tells of a trigger's repository: refs, Dockerfiles, and whether the base image can be pulled."""

from pathlib import Path
from typing import Any

import pytest

from models.session import Database
from tests.factories.api import Api, make_app, make_services
from tests.factories.world import make_world
from tests.services.git import GitServer, Repository

TRIGGERS = "/repository/acme/app/trigger/"


@pytest.fixture
def api(database: Database, tmp_path: Path) -> Api:
    services = make_services(database, tmp_path, OUTBOUND_ALLOWED_PRIVATE_HOSTS=["127.0.0.1"])
    with database.write() as session:
        make_world(session)
    return Api(make_app(services))


def trigger_of(api: Api, url: str, service: str = "custom-git", **config: Any) -> str:
    body = {"service": service, "config": {"build_source": url, **config}}
    return f"{TRIGGERS}{api.post(TRIGGERS, body, by='owner').body['id']}"


def test_refs_and_dockerfiles(api: Api, daemon: GitServer, repository: Repository) -> None:
    repository.commit({"Dockerfile": "FROM scratch\n", "app/web/Dockerfile": "FROM scratch\n"})
    repository.tag("v1")
    trigger = trigger_of(api, daemon.url(repository.name))

    refs = api.post(f"{trigger}/fields/refs", {}, by="owner")
    assert refs.body == {"values": [{"kind": "branch", "name": "main"}, {"kind": "tag", "name": "v1"}]}
    assert api.post(f"{trigger}/fields/branch_name", {}, by="owner").body == {"values": ["main"]}
    assert api.post(f"{trigger}/fields/tag_name", by="owner").body == {"values": ["v1"]}
    assert api.post(f"{trigger}/fields/none", {}, by="owner").status == 404
    assert api.post(f"{trigger}/fields/refs", {}, by="writer").status == 403
    assert api.post(f"{trigger}/subdir", {}, by="owner").body == {
        "status": "success",
        "dockerfile_paths": ["/Dockerfile", "/app/web/Dockerfile"],
        "contextMap": {"/Dockerfile": ["/"], "/app/web/Dockerfile": ["/", "/app", "/app/web"]},
    }
    away = api.post(f"{trigger}/subdir", {"build_source": daemon.url("none.git")}, by="owner").body
    assert away["status"] == "error"
    assert "git ls-remote" in away["message"]


@pytest.mark.parametrize(
    ("base", "status", "message"),
    [
        ("scratch", "analyzed", None),
        ("docker.io/library/busybox", "publicbase", None),
        ("localhost:8080/acme/public:1", "publicbase", None),
        ("localhost:8080/acme/other:1", "requiresrobot", None),
        ("localhost:8080/acme/none", "warning", "The base image acme/none does not exist here, or you may not read it"),
    ],
)
def test_analysis_tells_what_the_base_image_needs(
    api: Api, daemon: GitServer, root: Path, *, base: str, status: str, message: str | None
) -> None:
    repository = Repository(root, f"{base.replace(':', '-')}.git")
    repository.commit({"Dockerfile": f"FROM {base}\n"})
    api.post("/repository", {"namespace": "acme", "repository": "other"}, by="owner")
    robot = {"role": "read"}
    api.put("/repository/acme/other/permissions/user/acme+robot", robot, by="owner")
    trigger = trigger_of(api, daemon.url(repository.name))

    answer = api.post(f"{trigger}/analyze", {"config": {"dockerfile_path": "/Dockerfile"}}, by="owner")

    assert answer.status == 200
    found = answer.body
    assert (found["status"], found["message"], found["is_admin"]) == (status, message, True)
    names = [(each["name"], each["can_read"]) for each in found["robots"]]
    assert names == ([("acme+robot", True), ("acme+idle-robot", False)] if status == "requiresrobot" else [])
    missing = api.post(f"{trigger}/analyze", {"config": {"dockerfile_path": "/none"}}, by="owner").body
    assert (missing["status"], missing["message"]) == ("error", "Could not find the Dockerfile /none in the repository")


def test_a_branch_or_tag_is_built_as_it_is_now(api: Api, daemon: GitServer, repository: Repository) -> None:
    first = repository.commit({"Dockerfile": "FROM scratch\n"})
    repository.tag("v1")
    second = repository.commit({"a": "1"})
    config = {"base_url": "https://git.example.com", "git_url": daemon.url(repository.name)}
    trigger = trigger_of(api, "a/b", "gitea", **config)
    assert api.post(f"{trigger}/activate", {"config": {}}, by="owner").status == 200

    for body, commit, tags in (
        ({"branch_name": "main"}, second, ["main", "latest"]),
        ({"refs": {"kind": "tag", "name": "v1"}}, first, ["v1"]),
        ({}, second, ["main", "latest"]),
    ):
        build = api.post(f"{trigger}/start", body, by="owner")
        assert build.status == 201, build.text
        assert (build.body["trigger_metadata"]["commit"], build.body["tags"]) == (commit, tags)
    none = api.post(f"{trigger}/start", {"branch_name": "none"}, by="owner")
    assert (none.status, none.body["detail"]) == (400, "refs: the repository has no branch none")
