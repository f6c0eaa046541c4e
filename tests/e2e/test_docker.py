"""What people do with docker: log in, push, pull, run."""

import json

from tests.e2e.clients.docker import forget_images, log_in
from tests.e2e.clients.people import Person
from tests.services.docker_engine import DockerEngine, busybox_rootfs
from tests.services.drydock import Drydock

PUSHED_LAYERS = 5


def test_an_image_is_pushed_pulled_again_and_runs(docker: DockerEngine, drydock: Drydock, repository: str) -> None:
    name = f"{drydock.registry}/{repository}:first"
    docker.docker("tag", "base:latest", name)
    assert "first: digest: sha256:" in docker.docker("push", name)
    forget_images(docker, drydock)

    assert "Downloaded newer image" in docker.docker("pull", name)

    assert docker.docker("run", "--rm", name, "echo", "from the registry") == "from the registry"


def test_two_tags_name_one_manifest(docker: DockerEngine, drydock: Drydock, repository: str, alice: Person) -> None:
    name = f"{drydock.registry}/{repository}"
    docker.docker("tag", "base:latest", f"{name}:one")
    docker.docker("tag", "base:latest", f"{name}:two")
    docker.docker("push", "--all-tags", name)

    tags = alice.rest.get(f"/repository/{repository}/tag/")["tags"]

    assert sorted(tag["name"] for tag in tags) == ["one", "two"]
    assert len({tag["manifest_digest"] for tag in tags}) == 1
    docker.docker("pull", f"{name}@{tags[0]['manifest_digest']}")


def test_an_image_of_several_layers_survives_the_round_trip(
    docker: DockerEngine, drydock: Drydock, repository: str
) -> None:
    name = f"{drydock.registry}/{repository}:layers"
    steps = [f"RUN echo {number} > /file-{number}" for number in range(1, PUSHED_LAYERS)]
    dockerfile = "\n".join(["FROM base:latest", *steps, 'CMD ["sh", "-c", "cat /file-*"]'])
    docker.docker("build", "--tag", name, "-", stdin=dockerfile.encode())
    built = docker.docker("inspect", "--format", "{{.Id}} {{len .RootFS.Layers}}", name)
    docker.docker("push", name)
    forget_images(docker, drydock)

    docker.docker("pull", name)

    assert docker.docker("inspect", "--format", "{{.Id}} {{len .RootFS.Layers}}", name) == built
    assert built.endswith(f" {PUSHED_LAYERS}")
    assert docker.docker("run", "--rm", name).split() == ["1", "2", "3", "4"]


def test_a_second_push_of_the_same_image_sends_nothing(docker: DockerEngine, drydock: Drydock, repository: str) -> None:
    docker.docker("tag", "base:latest", f"{drydock.registry}/{repository}:one")
    docker.docker("push", f"{drydock.registry}/{repository}:one")
    docker.docker("tag", "base:latest", f"{drydock.registry}/{repository}:two")

    assert "Layer already exists" in docker.docker("push", f"{drydock.registry}/{repository}:two")


def test_a_layer_is_mounted_from_another_repository(docker: DockerEngine, drydock: Drydock, repository: str) -> None:
    for name in (f"{repository}-origin", f"{repository}-copy"):
        docker.docker("tag", "base:latest", f"{drydock.registry}/{name}:1")
    docker.docker("push", f"{drydock.registry}/{repository}-origin:1")

    assert "Mounted from" in docker.docker("push", f"{drydock.registry}/{repository}-copy:1")


def test_images_for_several_platforms_share_a_tag(docker: DockerEngine, drydock: Drydock, repository: str) -> None:
    name = f"{drydock.registry}/{repository}"
    for architecture in ("amd64", "arm64"):
        docker.import_image(f"{name}:{architecture}", busybox_rootfs(), f"LABEL for={architecture}")
        docker.docker("push", f"{name}:{architecture}")
    docker.docker("manifest", "create", "--insecure", f"{name}:all", f"{name}:amd64", f"{name}:arm64")
    docker.docker("manifest", "annotate", "--arch", "arm64", f"{name}:all", f"{name}:arm64")
    docker.docker("manifest", "push", "--purge", "--insecure", f"{name}:all")
    forget_images(docker, drydock)

    shown = json.loads(docker.docker("manifest", "inspect", "--insecure", f"{name}:all"))

    assert sorted(entry["platform"]["architecture"] for entry in shown["manifests"]) == ["amd64", "arm64"]
    docker.docker("pull", f"{name}:all")
    assert docker.docker("inspect", "--format", "{{.Config.Labels.for}}", f"{name}:all") == "amd64"


def test_a_push_into_another_namespace_is_denied(docker: DockerEngine, drydock: Drydock, bob: Person) -> None:
    name = f"{drydock.registry}/{bob.name}/not-mine:1"
    docker.docker("tag", "base:latest", name)

    assert "denied" in docker.refused("push", name)

    listed = bob.rest.get(f"/repository?namespace={bob.name}")["repositories"]
    assert "not-mine" not in {found["name"] for found in listed}


def test_a_private_repository_is_open_to_its_owner_only(
    docker: DockerEngine, drydock: Drydock, repository: str, bob: Person
) -> None:
    name = f"{drydock.registry}/{repository}:1"
    docker.docker("tag", "base:latest", name)
    docker.docker("push", name)
    forget_images(docker, drydock)

    log_in(docker, drydock, bob.name, bob.password)
    assert "denied" in docker.refused("pull", name)

    docker.docker("logout", drydock.registry)
    assert "unauthorized" in docker.refused("pull", name)


def test_anybody_pulls_what_is_public_and_nobody_pushes_without_a_login(
    docker: DockerEngine, drydock: Drydock, repository: str, alice: Person
) -> None:
    name = f"{drydock.registry}/{repository}:1"
    docker.docker("tag", "base:latest", name)
    docker.docker("push", name)
    forget_images(docker, drydock)
    alice.rest.post(f"/repository/{repository}/changevisibility", {"visibility": "public"})

    docker.docker("logout", drydock.registry)

    docker.docker("pull", name)
    assert "unauthorized" in docker.refused("push", name)


def test_a_robot_does_what_it_is_permitted_to(
    docker: DockerEngine, drydock: Drydock, repository: str, alice: Person
) -> None:
    name = f"{drydock.registry}/{repository}:1"
    alice.rest.create_repository(repository)
    robot, password = alice.rest.robot(None, repository.partition("/")[2].replace("-", "_"))
    docker.docker("tag", "base:latest", name)
    log_in(docker, drydock, robot, password)
    assert "denied" in docker.refused("push", name)

    alice.rest.permit(repository, robot, "read")
    assert "denied" in docker.refused("push", name)

    alice.rest.permit(repository, robot, "write")
    docker.docker("push", name)
    forget_images(docker, drydock)
    docker.docker("pull", name)


def test_an_access_token_logs_in_and_its_scopes_count(
    docker: DockerEngine, drydock: Drydock, repository: str, alice: Person
) -> None:
    name = f"{drydock.registry}/{repository}:1"
    docker.docker("tag", "base:latest", name)
    log_in(docker, drydock, "$oauthtoken", alice.token)
    docker.docker("push", name)

    log_in(docker, drydock, "$oauthtoken", drydock.token(alice.name, "repo:read"))

    docker.docker("pull", name)
    assert "denied" in docker.refused("push", name)


def test_a_wrong_password_is_refused(docker_engine: DockerEngine, drydock: Drydock, alice: Person) -> None:
    said = docker_engine.refused("login", "--username", alice.name, "--password", "wrong", drydock.registry)

    assert "unauthorized" in said
    log_in(docker_engine, drydock, alice.name, alice.password)
    docker_engine.docker("logout", drydock.registry)


def test_what_was_never_pushed_is_not_found(docker: DockerEngine, drydock: Drydock, repository: str) -> None:
    docker.docker("tag", "base:latest", f"{drydock.registry}/{repository}:1")
    docker.docker("push", f"{drydock.registry}/{repository}:1")

    assert "not found" in docker.refused("pull", f"{drydock.registry}/{repository}:2")
    assert "not found" in docker.refused("pull", f"{drydock.registry}/{repository}-absent:1")
