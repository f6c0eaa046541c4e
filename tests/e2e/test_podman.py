"""What people do with podman and buildah: push and pull. Neither needs a daemon."""

from pathlib import Path

import pytest

from tests.e2e.clients.layouts import image_layout
from tests.e2e.clients.people import Person
from tests.e2e.clients.tools import Tools
from tests.services.drydock import Drydock

PLAIN = "--tls-verify=false"


@pytest.fixture
def name(drydock: Drydock, repository: str) -> str:
    """An image in a repository of Alice's."""
    return f"{drydock.registry}/{repository}:1"


def test_podman_pushes_an_image_and_pulls_it_again(tools: Tools, name: str, alice: Person, tmp_path: Path) -> None:
    layout, _ = image_layout(tmp_path / "in")
    tools.podman("pull", "--quiet", layout.reference)
    local = tools.podman("images", "--quiet", "--no-trunc").split()[0]
    tools.podman("push", PLAIN, "--creds", alice.login, local, name)
    tools.podman("rmi", "--all", "--force")

    pulled = tools.podman("pull", "--quiet", PLAIN, "--creds", alice.login, name)

    assert f"sha256:{pulled}" == local
    tools.podman("rmi", "--all", "--force")


def test_podman_logs_in_and_out(tools: Tools, drydock: Drydock, name: str, repository: str, alice: Person) -> None:
    alice.registry.push_image(repository, "1", b"a layer that is no tar")
    user, password = alice.login.split(":")

    said = tools.podman("login", PLAIN, "--username", user, "--password", password, drydock.registry)
    assert "Login Succeeded" in said
    tools.skopeo("inspect", f"docker://{name}")  # which reads the same log-ins

    tools.podman("logout", drydock.registry)
    assert "unauthorized" in tools.podman_refused("pull", PLAIN, name)


def test_podman_is_denied_what_is_somebody_elses(
    tools: Tools, drydock: Drydock, name: str, bob: Person, tmp_path: Path
) -> None:
    layout, _ = image_layout(tmp_path / "in")
    local = tools.podman("pull", "--quiet", layout.reference)

    assert "Forbidden" in tools.podman_refused("push", PLAIN, "--creds", bob.login, local, name)

    tools.podman("rmi", "--all", "--force")


def test_buildah_pushes_what_it_made_and_pulls_it_again(tools: Tools, name: str, alice: Person, tmp_path: Path) -> None:
    (tmp_path / "greeting").write_text("hello")
    container = tools.buildah("from", "scratch")
    tools.buildah("config", "--label", "made-by=buildah", "--cmd", "/bin/sh", container)
    tools.buildah("copy", container, tmp_path / "greeting", "/greeting")
    made = tools.buildah("commit", "--quiet", "--rm", container, "localhost/made")
    tools.buildah("push", PLAIN, "--creds", alice.login, "localhost/made", f"docker://{name}")
    tools.buildah("rmi", "--all", "--force")

    pulled = tools.buildah("pull", "--quiet", PLAIN, "--creds", alice.login, name)

    assert pulled == made.removeprefix("sha256:")
    assert "made-by:buildah" in tools.buildah("inspect", "--type", "image", "--format", "{{.OCIv1.Config}}", pulled)
    tools.buildah("rmi", "--all", "--force")
