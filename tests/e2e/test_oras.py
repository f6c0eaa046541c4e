"""Artifacts by oras' own Python client: pushed whole and in chunks, pulled, about a subject, listed and deleted."""

import os
from pathlib import Path

import pytest
from oras.client import OrasClient
from oras.container import Container
from oras.oci import Subject

from tests.e2e.clients.people import Person
from tests.services.drydock import Drydock

KIND = "application/vnd.example.data"


@pytest.fixture
def oras(drydock: Drydock, alice: Person) -> OrasClient:
    """Alice's. Not logged in: that would ask a Docker engine and write into the home folder."""
    client = OrasClient(hostname=drydock.registry, insecure=True)
    client.auth.set_basic_auth(alice.name, alice.password)
    return client


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "small.txt", tmp_path / "large.bin"]
    found[0].write_text("an artifact\n")
    found[1].write_bytes(os.urandom(3_000_000))
    return found


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
def test_an_artifact_is_pushed_and_pulled(
    oras: OrasClient, drydock: Drydock, repository: str, files: list[Path], chunked: bool
) -> None:
    target = f"{drydock.registry}/{repository}:v1"
    named = [f"{file}:{KIND}" for file in files]
    pushed = oras.push(
        target=target, files=named, disable_path_validation=True, do_chunked=chunked, chunk_size=1_000_000, quiet=True
    )
    assert pushed.status_code == 201

    pulled = oras.pull(target=target, outdir=str(files[0].parent / "pulled"))

    assert sorted(Path(name).read_bytes() for name in pulled) == sorted(file.read_bytes() for file in files)
    assert [layer["mediaType"] for layer in oras.get_manifest(Container(target))["layers"]] == [KIND, KIND]
    assert oras.get_tags(target) == ["v1"]


def test_an_artifact_about_an_image_is_found_and_tags_are_deleted(
    oras: OrasClient, drydock: Drydock, alice: Person, repository: str, files: list[Path]
) -> None:
    image = alice.registry.push_image(repository, "image", b"a layer")
    size = len(alice.registry.call("GET", repository, "manifests/image").expect(200).body)
    subject = Subject(mediaType="application/vnd.oci.image.manifest.v1+json", digest=image, size=size)
    target = f"{drydock.registry}/{repository}:about"
    oras.push(target=target, files=[str(files[0])], disable_path_validation=True, subject=subject, quiet=True)

    listed = alice.registry.call("GET", repository, f"referrers/{image}").expect(200).json["manifests"]
    assert len(listed) == 1
    assert oras.delete_tags(f"{drydock.registry}/{repository}", "about") == ["about"]
    assert oras.get_tags(f"{drydock.registry}/{repository}") == ["image"]
