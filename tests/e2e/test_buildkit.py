"""Builds by BuildKit: one with everything, and the next on an engine that has forgotten it."""

import re
from typing import Any

from tests.e2e.clients.archives import ArchiveServer
from tests.e2e.clients.docker import push_base
from tests.e2e.clients.people import make_person
from tests.services.docker_engine import DockerEngine
from tests.services.drydock import embedded

SETTINGS = {"OUTBOUND_ALLOWED_PRIVATE_HOSTS": "127.0.0.1,localhost", "BUILD_ENGINE": "buildkit"}
SECRET = "hunter2-hunter2"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


def test_a_build_with_args_and_secrets_is_the_cache_of_the_next(
    docker_engine: DockerEngine, archives: ArchiveServer
) -> None:
    with embedded(engine=docker_engine.host, settings=SETTINGS) as drydock:
        kit = make_person(drydock, "kit")
        base = push_base(docker_engine, drydock, kit, "kit/base:1")
        robot, _ = kit.rest.robot(None, "puller")
        kit.rest.create_repository("kit/app")
        for name in ("kit/base", "kit/app"):
            kit.rest.permit(name, robot, "read")
        source = archives.source(
            "ARG BASE\nFROM $BASE AS tools\nRUN echo tools > /tools\nFROM $BASE AS release\nARG WHO\n"
            "RUN --mount=type=secret,id=key cat /proc/sys/kernel/random/uuid; "
            "echo key $(cat /run/secrets/key) for $WHO\n"
            "COPY --from=tools /tools /tools\nFROM nowhere.invalid/unwanted\n"
        )
        options: dict[str, Any] = {
            "pull_robot": robot,
            "build_args": {"BASE": base, "WHO": "Ada"},
            "secrets": {"key": SECRET},
            "target": "release",
            "labels": {"made-by": "test"},
        }

        def built(tag: str) -> str:
            build = kit.rest.build("kit/app", source, docker_tags=[tag], **options)
            assert build.wait("complete") == "complete", build.text()
            return build.text()

        first = built("v1")
        assert "key **** for Ada" in first
        assert SECRET not in first
        assert _UUID.search(first)
        name = f"{drydock.registry}/kit/app:v1"
        docker_engine.docker(
            "login", "--username", kit.name, "--password-stdin", drydock.registry, stdin=kit.password.encode()
        )
        docker_engine.docker("pull", name)
        assert docker_engine.docker("inspect", "--format", '{{index .Config.Labels "made-by"}}', name) == "test"
        assert SECRET not in docker_engine.docker("history", "--no-trunc", name) + docker_engine.docker("inspect", name)
        docker_engine.docker("rmi", name)
        docker_engine.docker("logout", drydock.registry)

        docker_engine.docker("builder", "prune", "--all", "--force")
        assert kit.rest.call("DELETE", "/repository/kit/app/tag/v1").status == 204
        second = built("v2")
        assert " ---> Using cache" in second
        assert not _UUID.search(second), second
        assert [tag["name"] for tag in kit.rest.get("/repository/kit/app/tag/?onlyActiveTags=true")["tags"]] == ["v2"]
