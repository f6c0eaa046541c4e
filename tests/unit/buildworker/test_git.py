"""Which server git talks to, and what opens a repository shown to whom; real servers are in tests/integration/git."""

import socket
import time
from collections.abc import Callable

import pytest

from buildworker.checkout import submodule_source
from buildworker.git import GitFailed, Limits, Source, list_refs
from buildworker.outbound import Outbound
from tests.unit.buildworker.conftest import Server, reply


@pytest.mark.parametrize("host", ["bücher.example", "faß.example", "plain.example.", "UPPER.example"])
def test_git_connects_to_the_address_that_was_checked_however_the_host_is_written(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    server = serve(reply(status="404 Not Found"))
    known = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: known)  # what git itself asks knows no such host
    source = Source(f"http://{host}:{server.port}/a.git")
    with pytest.raises(GitFailed, match="not found"):
        list_refs(Outbound(["127.0.0.1"]), source, Limits(time.monotonic() + 10, 1000))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("parent", "url", "address", "token", "key"),
    [
        ("https://git.example/me/app.git", "../lib.git", "https://git.example:443/me/lib.git", "t", "k"),
        ("https://git.example/me/app.git", "https://git.example/lib.git", "https://git.example/lib.git", "t", "k"),
        ("https://git.example/me/app.git", "https://other.example/lib.git", "https://other.example/lib.git", "", ""),
        ("https://git.example/me/app.git", "http://git.example/lib.git", "http://git.example/lib.git", "", "k"),
        ("https://git.example/me/app.git", "https://git.example:8443/l", "https://git.example:8443/l", "", "k"),
        ("https://git.example/me/app.git", "git@git.example:lib.git", "git@git.example:lib.git", "", "k"),
        ("http://git.example:81/app.git", "http://git.example:81/lib.git", "http://git.example:81/lib.git", "t", "k"),
        ("git@git.example:me/app.git", "https://git.example/lib.git", "https://git.example/lib.git", "t", "k"),
    ],
)
def test_a_submodule_is_shown_what_opens_its_parent_only_by_the_same_server(
    parent: str, url: str, address: str, token: str, key: str
) -> None:
    found = submodule_source(Source(parent, private_key="k", auth_token="t"), url)
    assert (found.url, found.auth_token, found.private_key) == (address, token, key)
