"""Whose fault a failure is, and which ones are tried again."""

import errno

import pytest

from buildworker.builder import BuildFailed, BuildTimeout, PullFailed, PushFailed
from buildworker.failures import SourceFailed, judge
from models.errors import Conflict, Exceeded, Invalid, Upstream

USER, LIMIT, OURS = "user", "limit", "infrastructure"


@pytest.mark.parametrize(
    ("problem", "fault"),
    [
        (Invalid("Dockerfile '/Dockerfile' not found in the archive"), USER),
        (Exceeded("the archive unpacks to more than the limit of 10G bytes"), LIMIT),
        (BuildTimeout("the build took longer than 5 seconds"), LIMIT),
        (BuildFailed("The command '/bin/sh -c make' returned a non-zero code: 2", 2), USER),
        (BuildFailed("The command '/bin/sh -c curl # connection refused' returned a non-zero code: 7", 7), USER),
        (BuildFailed("COPY failed: no source files were specified"), USER),
        (BuildFailed("write /var/lib/docker/tmp/x: no space left on device"), OURS),
        (PullFailed("acme/base: manifest unknown"), USER),
        (PullFailed("acme/base: pull access denied, repository does not exist or may require 'docker login'"), USER),
        (PullFailed("r.example/x: dial tcp: lookup r.example: no such host"), USER),
        (
            PullFailed("r.example/x: Get https://r.example/v2/: dial tcp 10.0.0.1:443: connect: connection refused"),
            OURS,
        ),
        (PullFailed("r.example/x: received unexpected HTTP status: 503 Service Unavailable"), OURS),
        (PullFailed("x: net/http: TLS handshake timeout"), OURS),
        (PullFailed("x: toomanyrequests: You have reached your pull rate limit"), OURS),
        (SourceFailed("archive_url: the server answered with status 404"), USER),
        (SourceFailed("archive_url: the server answered with status 503"), OURS),
        (SourceFailed("archive_url: example.com broke the connection off before the file was complete"), OURS),
        (SourceFailed("git fetch: fatal: Authentication failed for 'https://example.com/x.git/'"), USER),
        (SourceFailed("git fetch: The requested URL returned error: 502"), OURS),
        (PushFailed("r/x:1: denied: the namespace's quota would be exceeded"), LIMIT),
        (PushFailed("r/x:1: tag latest is immutable"), USER),
        (PushFailed("r/x:1: unauthorized: authentication required"), USER),
        (PushFailed("r/x:1: EOF"), OURS),
        (PushFailed("r/x:1: the registry refuses it"), OURS),
        (Upstream("no Docker engine at unix:///x: start dockerd"), OURS),
        (Conflict("another build pushed r/x:1 at the same moment; build again"), OURS),
        (OSError(errno.ENOSPC, "No space left on device"), OURS),
    ],
)
def test_a_failure_has_somebody_whose_fault_it_is(problem: Exception, fault: str) -> None:
    verdict = judge(problem, 5)
    assert verdict is not None
    assert (verdict.failure, verdict.retry) == (fault, fault == OURS)
    assert verdict.result == ("internalerror" if fault == OURS else "error")


def test_a_mistake_of_our_own_is_not_judged() -> None:
    assert judge(KeyError("x"), 5) is None
    assert judge(OSError(errno.EPERM, "no"), 5) is None
