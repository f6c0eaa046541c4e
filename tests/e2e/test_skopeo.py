"""What people do with skopeo: copy images in and out, look at them, delete them."""

import json
from pathlib import Path

import pytest

from tests.e2e.clients.layouts import image_layout, index_layout
from tests.e2e.clients.people import Person
from tests.e2e.clients.tools import Tools
from tests.services.docker_engine import DockerEngine
from tests.services.drydock import Drydock


@pytest.fixture
def remote(drydock: Drydock, repository: str) -> str:
    """A repository of Alice's as skopeo names it."""
    return f"docker://{drydock.registry}/{repository}"


def test_an_image_goes_in_and_comes_out_as_it_was(tools: Tools, remote: str, alice: Person, tmp_path: Path) -> None:
    layout, digest = image_layout(tmp_path / "in", b"a second layer")

    tools.skopeo("copy", "--dest-creds", alice.login, layout.reference, f"{remote}:1")
    tools.skopeo("copy", "--src-creds", alice.login, f"{remote}:1", f"oci:{tmp_path / 'out'}:made")

    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert [entry["digest"] for entry in index["manifests"]] == [digest]
    assert {file.name for file in (tmp_path / "out" / "blobs" / "sha256").iterdir()} == {
        file.name for file in (tmp_path / "in" / "blobs" / "sha256").iterdir()
    }


def test_a_whole_index_is_copied_with_all_its_images(tools: Tools, remote: str, alice: Person, tmp_path: Path) -> None:
    layout, digest = index_layout(tmp_path / "in")

    tools.skopeo("copy", "--all", "--dest-creds", alice.login, layout.reference, f"{remote}:all")
    tools.skopeo("copy", "--all", "--src-creds", alice.login, f"{remote}:all", f"oci:{tmp_path / 'out'}:made")

    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert [entry["digest"] for entry in index["manifests"]] == [digest]
    raw = tools.skopeo_json("inspect", "--raw", "--creds", alice.login, f"{remote}:all")
    assert [entry["platform"]["architecture"] for entry in raw["manifests"]] == ["amd64", "arm64"]


def test_an_image_goes_from_the_engine_into_a_folder(
    docker: DockerEngine, tools: Tools, remote: str, alice: Person, tmp_path: Path
) -> None:
    engine = tools.daemon_source()
    tools.skopeo("copy", *engine, "--dest-creds", alice.login, "docker-daemon:base:latest", f"{remote}:1")

    tools.skopeo("copy", "--src-creds", alice.login, f"{remote}:1", f"dir:{tmp_path / 'out'}")

    config = docker.docker("inspect", "--format", "{{.Id}}", "base:latest").partition(":")[2]
    assert (tmp_path / "out" / config).is_file()


def test_an_image_is_converted_on_its_way(tools: Tools, remote: str, alice: Person, tmp_path: Path) -> None:
    layout, digest = image_layout(tmp_path / "in")
    for kind in ("oci", "v2s2"):
        arguments = ["--format", kind, "--dest-creds", alice.login, layout.reference, f"{remote}:{kind}"]
        tools.skopeo("copy", *arguments)

    kinds = {
        kind: tools.skopeo_json("inspect", "--raw", "--creds", alice.login, f"{remote}:{kind}")["mediaType"]
        for kind in ("oci", "v2s2")
    }

    assert kinds["oci"] == "application/vnd.oci.image.manifest.v1+json"
    assert kinds["v2s2"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert tools.skopeo_json("inspect", "--creds", alice.login, f"{remote}:oci")["Digest"] == digest


def test_an_image_is_inspected_and_its_tags_are_listed(
    tools: Tools, remote: str, repository: str, alice: Person
) -> None:
    alice.registry.push_image(repository, "one", b"a layer")
    alice.registry.push_image(repository, "two", b"a layer")

    shown = tools.skopeo_json("inspect", "--creds", alice.login, f"{remote}:one")
    listed = tools.skopeo_json("list-tags", "--creds", alice.login, remote)

    assert (shown["Architecture"], shown["RepoTags"]) == ("amd64", ["one", "two"])
    assert listed["Tags"] == ["one", "two"]


def test_an_image_is_deleted(tools: Tools, remote: str, repository: str, alice: Person, tmp_path: Path) -> None:
    layout, _ = image_layout(tmp_path / "in")
    tools.skopeo("copy", "--dest-creds", alice.login, layout.reference, f"{remote}:1")

    tools.skopeo("delete", "--creds", alice.login, f"{remote}:1")

    assert "manifest unknown" in tools.skopeo_refused("inspect", "--creds", alice.login, f"{remote}:1")
    assert alice.rest.get(f"/repository/{repository}/tag/?onlyActiveTags=true")["tags"] == []


def test_an_image_is_copied_within_the_registry(
    tools: Tools, remote: str, repository: str, alice: Person, tmp_path: Path
) -> None:
    layout, digest = image_layout(tmp_path / "in")
    tools.skopeo("copy", "--dest-creds", alice.login, layout.reference, f"{remote}:1")

    both = ["--src-creds", alice.login, "--dest-creds", alice.login]
    tools.skopeo("copy", *both, f"{remote}:1", f"{remote}-copy:1")

    assert tools.skopeo_json("inspect", "--creds", alice.login, f"{remote}-copy:1")["Digest"] == digest
    alice.registry.check_image(f"{repository}-copy", "1")


def test_a_login_is_kept_and_ended(tools: Tools, drydock: Drydock, remote: str, alice: Person, tmp_path: Path) -> None:
    layout, _ = image_layout(tmp_path / "in")
    name, password = alice.login.split(":")
    tools.skopeo("login", "--username", name, "--password", password, drydock.registry)
    tools.skopeo("copy", layout.reference, f"{remote}:1")

    tools.skopeo("logout", drydock.registry)

    assert "unauthorized" in tools.skopeo_refused("inspect", f"{remote}:1")


def test_somebody_without_rights_is_denied(
    tools: Tools, remote: str, alice: Person, bob: Person, tmp_path: Path
) -> None:
    layout, _ = image_layout(tmp_path / "in")
    tools.skopeo("copy", "--dest-creds", alice.login, layout.reference, f"{remote}:1")

    assert "denied" in tools.skopeo_refused("inspect", "--creds", bob.login, f"{remote}:1")
    assert "Forbidden" in tools.skopeo_refused("copy", "--dest-creds", bob.login, layout.reference, f"{remote}:1")
    assert "denied" in tools.skopeo_refused("delete", "--creds", bob.login, f"{remote}:1")
    wrong = tools.skopeo_refused("inspect", "--creds", f"{alice.name}:wrong", f"{remote}:1")
    assert "unauthorized" in wrong or "invalid username/password" in wrong
