"""A base image of another registry, which lets in only who has a login there."""

from tests.e2e.clients.archives import ArchiveServer
from tests.e2e.clients.people import Person
from tests.services.docker_engine import DockerEngine
from tests.services.private_registry import READER


def test_a_base_image_from_elsewhere_is_pulled_with_the_login_that_is_kept(
    docker_engine: DockerEngine, alice: Person, repository: str, archives: ArchiveServer, private_registry: str
) -> None:
    base = f"{private_registry}/ns/{repository}:1"
    login = ("login", "--username", READER.username, "--password-stdin", private_registry)
    docker_engine.docker(*login, stdin=READER.password.encode())
    docker_engine.docker("tag", "base:latest", base)
    docker_engine.docker("push", base)
    docker_engine.docker("rmi", base)
    docker_engine.docker("logout", private_registry)
    alice.rest.create_repository(repository)
    source = archives.source(f'FROM {base}\nCMD ["true"]\n')

    refused = alice.rest.build(repository, source)
    assert refused.wait("error", "complete") == "error"
    assert "needs a login" in refused.text()

    kept = {"username": READER.username, "password": READER.password}
    for path in (f"/repository/{repository}/registrycredential/", "/user/registrycredential/"):
        shown = alice.rest.put(f"{path}{private_registry}", kept)
        assert READER.password not in str(shown) + str(alice.rest.get(path))
        build = alice.rest.build(repository, source)
        assert build.wait("complete", "error") == "complete", build.text()
        assert READER.password not in build.text()
        assert alice.rest.call("DELETE", f"{path}{private_registry}").status == 204
    assert alice.rest.build(repository, source).wait("error", "complete") == "error"
