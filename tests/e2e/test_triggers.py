"""A git push becomes an image: by the repository's own hook, over ssh with the trigger's key."""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.e2e.clients.docker import log_in, push_base
from tests.e2e.clients.http import call
from tests.e2e.clients.people import Person
from tests.e2e.clients.rest import Build
from tests.factories.triggers import BITBUCKET, GITEA, GITHUB, GITLAB, PAYLOAD, SHA
from tests.services.docker_engine import DockerEngine
from tests.services.drydock import Drydock
from tests.services.git import Repository, SshServer, git_ssh
from tests.services.receiver import Receiver

# What people put into hooks/post-receive of a bare repository.
_HOOK = """#!/bin/sh
while read old new ref; do
  curl -sS --fail-with-body -H 'Content-Type: application/json' "{url}" \\
    -d "{{\\"commit\\": \\"$new\\", \\"ref\\": \\"$ref\\", \\"default_branch\\": \\"main\\"}}" || exit 1
done
"""

FORGES: Mapping[str, tuple[Mapping[str, str], Mapping[str, Any]]] = {
    "custom": ({}, PAYLOAD),
    "github": ({"X-GitHub-Event": "push"}, GITHUB),
    "gitea": ({"X-Gitea-Event": "push"}, GITEA),
    "gitlab": ({"X-Gitlab-Event": "Push Hook"}, GITLAB),
    "bitbucket": ({"X-Event-Key": "repo:push"}, BITBUCKET),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forge") / "root"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def ssh(root: Path) -> Iterator[SshServer]:
    with git_ssh(root) as server:
        yield server


def test_a_git_push_becomes_an_image(ssh: SshServer, root: Path, alice: Person, repository: str) -> None:
    alice.rest.create_repository(repository)
    source = Repository(root, f"{repository.replace('/', '-')}.git")
    source.commit({"readme": "nothing to build yet"})
    trigger = _activated(alice, repository, ssh, source)
    hook = source.path / "hooks/post-receive"
    hook.write_text(_HOOK.format(url=_credential(trigger, "Webhook Endpoint URL").replace("$", "\\$")))
    hook.chmod(0o755)

    commit = source.commit({"Dockerfile": "FROM scratch\nCOPY readme /readme\n"}, "the first image")

    (started,) = alice.rest.get(f"/repository/{repository}/trigger/{trigger['id']}/builds")["builds"]
    build = Build(alice.rest, repository, started["id"])
    build.wait("complete")
    shown = build.status()
    assert shown["trigger_metadata"]["commit"] == commit
    assert shown["trigger_metadata"]["commit_info"]["message"] == "the first image"
    assert sorted(shown["tags"]) == ["latest", "main"]
    for tag in shown["tags"]:
        alice.registry.check_image(repository, tag)


def test_a_commit_is_built_by_hand_and_a_wrong_key_told(
    ssh: SshServer, root: Path, alice: Person, repository: str
) -> None:
    alice.rest.create_repository(repository)
    source = Repository(root, f"{repository.replace('/', '-')}.git")
    commit = source.commit({"Dockerfile": "FROM scratch\nLABEL by=hand\n"})
    trigger = _activated(alice, repository, ssh, source)
    start = f"/repository/{repository}/trigger/{trigger['id']}/start"

    build = Build(alice.rest, repository, alice.rest.post(start, {"commit_sha": commit[:10]})["id"])

    build.wait("complete")
    assert build.status()["trigger_metadata"]["commit"] == commit
    ssh.admit("")
    refused = Build(alice.rest, repository, alice.rest.post(start, {"commit_sha": commit})["id"])
    refused.wait("error")
    assert "Permission denied" in refused.status()["error"]


def test_a_push_on_any_forge_becomes_an_image_that_runs_and_is_told(
    ssh: SshServer,
    root: Path,
    *,
    drydock: Drydock,
    docker_engine: DockerEngine,
    alice: Person,
    repository: str,
    receiver: Receiver,
) -> None:
    """Each forge's own payload, sent to the address that its hook would have."""
    alice.rest.create_repository(repository)
    base = push_base(docker_engine, drydock, alice, f"{repository}-base:1")
    alice.rest.post(f"/repository/{repository}-base/changevisibility", {"visibility": "public"})
    source = Repository(root, f"{repository.replace('/', '-')}.git")
    source.commit({"readme": "nothing to build yet"})
    trigger = _activated(alice, repository, ssh, source)
    hook = _credential(trigger, "Webhook Endpoint URL")
    note = {"event": "build_success", "method": "webhook", "config": {"url": receiver.url("/built")}, "eventConfig": {}}
    alice.rest.post(f"/repository/{repository}/notification/", note)
    commits = {}
    for forge, (headers, payload) in FORGES.items():
        commit = source.commit({"Dockerfile": f'FROM {base}\nCOPY readme /readme\nCMD ["echo", "{forge}"]\n'}, forge)
        _deliver(hook, headers, json.dumps(payload).replace(SHA, commit))
        commits[commit] = forge

    started = alice.rest.get(f"/repository/{repository}/trigger/{trigger['id']}/builds?limit=9")["builds"]
    assert {each["trigger_metadata"]["commit"] for each in started} == set(commits), started
    for each in started:
        build = Build(alice.rest, repository, each["id"])
        build.wait("complete")
    log_in(docker_engine, drydock, alice.name, alice.password)
    for each in started:
        build = Build(alice.rest, repository, each["id"])
        image = f"{drydock.registry}/{repository}@{build.status()['image_digest']}"
        said = docker_engine.docker("run", "--rm", "--network", "none", image).splitlines()
        docker_engine.docker("rmi", image)
        assert said[-1] == commits[each["trigger_metadata"]["commit"]]
    docker_engine.docker("logout", drydock.registry)
    receiver.wait("/built", number=len(FORGES))
    told = {request.json["build_id"] for request in receiver.at("/built")}
    assert told == {each["id"] for each in started}


def _deliver(hook: str, headers: Mapping[str, str], payload: str) -> None:
    parts = urlsplit(hook)
    login = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    given = {"Authorization": f"Basic {login}", "Content-Type": "application/json", **headers}
    url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    call("POST", url, headers=given, body=payload.encode()).expect(200)


def _activated(alice: Person, repository: str, ssh: SshServer, source: Repository) -> Any:
    made = alice.rest.post(f"/repository/{repository}/trigger/", {"service": "custom-git"})
    config = {"build_source": ssh.url(source.name), "dockerfile_path": "/Dockerfile", "context": "/"}
    activate = f"/repository/{repository}/trigger/{made['id']}/activate"
    trigger = alice.rest.post(activate, {"config": config})
    ssh.admit(_credential(trigger, "SSH Public Key"))
    return trigger


def _credential(trigger: Any, name: str) -> str:
    return str(next(each["value"] for each in trigger["config"]["credentials"] if each["name"] == name))
