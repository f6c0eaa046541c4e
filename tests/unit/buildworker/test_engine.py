"""What the Docker engine answers now and then, told by a server that says just that."""

import json
import re
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from buildworker.builder import BuildFailed, Options, PullFailed
from buildworker.engines import daemon
from buildworker.engines.classic import DockerEngine
from tests.unit.buildworker.conftest import Server, reply

VERSION = {"Version": "26.1", "ApiVersion": "1.45", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"}
Answers = dict[str, list[tuple[str, object]]]


@pytest.fixture
def engine(serve: Callable[..., Server], answers: Answers) -> DockerEngine:
    def script(connection: socket.socket, head: bytes) -> None:
        method, path = head.decode().split()[:2]
        request = f"{method} {re.sub(r'^/v[0-9.]+|[?].*', '', path)}"
        left = answers.get(request, [])
        status, body = ("200 OK", VERSION) if request == "GET /version" else left.pop(0)
        said = json.dumps(body).encode()
        reply(said, status, Content_Type="application/json", Connection="close")(connection, head)

    return DockerEngine(serve(script).url.replace("http:", "tcp:"))


GONE = ("404 Not Found", {"message": "No such container"})
UNDER_WAY = ("409 Conflict", {"message": "removal of container c is already in progress"})
DONE: tuple[str, object] = ("200 OK", {})


@pytest.mark.parametrize(
    "answers",
    [
        {
            "GET /containers/json": [("200 OK", [{"Id": "a"}, {"Id": "b"}]), ("200 OK", [{"Id": "b"}]), ("200 OK", [])],
            "DELETE /containers/a": [GONE],
            "DELETE /containers/b": [UNDER_WAY, DONE],
            "GET /images/json": [("200 OK", [{"Id": "i", "RepoTags": ["x:1"]}])],
            "DELETE /images/x:1": [DONE],
            "DELETE /images/i": [GONE],
            "DELETE /images/drydock-build:cache-x": [GONE],
        }
    ],
    ids=["two containers and an image"],
)
def test_what_others_are_removing_is_waited_for(
    engine: DockerEngine, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "PAUSE_S", 0.01)
    assert engine.remove_by_label("drydock.job", "x") == 3
    assert not any(answers.values())


@pytest.mark.parametrize("answers", [{}], ids=["nothing"])
@pytest.mark.parametrize("lost", ["failed to restore cached image from x to y: layer does not exist", "no space left"])
def test_a_build_whose_cache_was_lost_does_all_steps(
    engine: DockerEngine, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    tried: list[tuple[str, ...]] = []

    def built(_: Path, __: Path, options: Options, *___: object, **____: object) -> str:
        tried.append(options.cache_from)
        if options.cache_from:
            raise BuildFailed(lost)
        return "sha256:made"

    monkeypatch.setattr(engine, "_built", built)
    build = partial(engine.build, Path(), Path(), timeout_s=5, on_line=lambda _: None)
    if lost.startswith("failed to restore"):
        assert build(options=Options(cache_from=("x",))) == "sha256:made"
        assert tried == [("x",), ()]
    else:
        with pytest.raises(BuildFailed, match=lost):
            build(options=Options(cache_from=("x",)))
        assert tried == [("x",)]


@pytest.mark.parametrize("answers", [{}], ids=["nothing"])
@pytest.mark.parametrize("image", ["https://quay.io/a/b", "-x.example.com/a"])
def test_what_is_no_name_of_an_image_is_told_as_the_users_mistake(engine: DockerEngine, image: str) -> None:
    with pytest.raises(PullFailed, match=f"{image}: "):
        engine.pull(image, auth=None, on_event=lambda _: None)
