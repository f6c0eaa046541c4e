"""containerd pushes and pulls by its own client library, which Kubernetes' nodes use, too."""

from pathlib import Path

import pytest

from tests.e2e.clients.layouts import Layout, image_layout, index_layout
from tests.e2e.clients.people import Person
from tests.e2e.clients.tools import Tools
from tests.services.drydock import Drydock

LOCAL = "example.com/made:latest"


@pytest.fixture
def name(drydock: Drydock, repository: str) -> str:
    """An image in a repository of Alice's."""
    return f"{drydock.registry}/{repository}:1"


def test_an_image_is_pushed_and_pulled_again(tools: Tools, name: str, alice: Person, tmp_path: Path) -> None:
    layout, digest = image_layout(tmp_path / "in", b"")
    _import(tools, layout, tmp_path)
    tools.ctr("images", "push", "--plain-http", "--user", alice.login, name, LOCAL)
    _forget(tools)

    tools.ctr("content", "fetch", "--plain-http", "--user", alice.login, name)

    assert digest in tools.ctr("content", "ls", "--quiet").split()
    _forget(tools)


def test_an_index_keeps_all_its_platforms(tools: Tools, name: str, alice: Person, tmp_path: Path) -> None:
    layout, digest = index_layout(tmp_path / "in")
    tools.skopeo("copy", "--all", "--dest-creds", alice.login, layout.reference, f"docker://{name}")

    tools.ctr("content", "fetch", "--all-platforms", "--plain-http", "--user", alice.login, name)

    held = tools.ctr("content", "ls", "--quiet").split()
    made = {f"sha256:{file.name}" for file in (layout.folder / "blobs" / "sha256").iterdir()}
    assert digest in held
    assert made <= set(held)
    _forget(tools)


def test_a_base_image_is_unpacked(tools: Tools, name: str, alice: Person, tmp_path: Path) -> None:
    layout, _ = image_layout(tmp_path / "in")
    tools.skopeo("copy", "--dest-creds", alice.login, layout.reference, f"docker://{name}")

    tools.ctr("images", "pull", "--snapshotter", "native", "--plain-http", "--user", alice.login, name)

    assert name in tools.ctr("images", "ls", "--quiet")
    _forget(tools)


def test_somebody_without_rights_is_refused(
    tools: Tools, name: str, repository: str, alice: Person, bob: Person
) -> None:
    alice.registry.push_image(repository, "1", b"a layer")

    said = tools.ctr_refused("content", "fetch", "--plain-http", "--user", bob.login, name)

    assert "403" in said


def _import(tools: Tools, layout: Layout, folder: Path) -> None:
    tools.skopeo("copy", layout.reference, f"oci-archive:{folder / 'made.tar'}:{LOCAL}")
    tools.ctr("images", "import", "--no-unpack", folder / "made.tar")


def _forget(tools: Tools) -> None:
    for image in tools.ctr("images", "ls", "--quiet").split():
        tools.ctr("images", "rm", "--sync", image)
    for digest in tools.ctr("content", "ls", "--quiet").split():
        tools.ctr("content", "rm", digest)
