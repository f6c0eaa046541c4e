"""Tokens of an issuer of which nothing is known but the address, as keyless robots present them."""

import pytest

from buildworker.issuers import ASKED_AGAIN_AFTER_S, KEPT_S, Issuers
from buildworker.json_web import JsonWeb
from buildworker.outbound import Outbound
from models.errors import Invalid, Unauthenticated, Upstream
from tests.factories.oidc import Tokens
from tests.services.oidc import Oidc


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuers(web: JsonWeb, clock: Clock) -> Issuers:
    return Issuers(web, clock=clock)


def test_a_token_tells_whom_it_is_about(issuers: Issuers, tokens: Tokens, oidc: Oidc) -> None:
    claims = issuers.verify(oidc.issuer, tokens.of("ann"), audience="drydock")
    assert claims["sub"] == "subject-of-ann"
    assert issuers.verify(f"{oidc.issuer}/", tokens.of("ann!audience"), audience=None)["sub"] == "subject-of-ann"
    with pytest.raises(Unauthenticated, match="another audience"):
        issuers.verify(oidc.issuer, tokens.of("ann"), audience="somebody-else")


@pytest.mark.parametrize("name", ["ann!forged", "ann!none", "ann!issuer", "ann!expired", "ann!future", "ann!subject"])
def test_bad_tokens_are_refused_for_any_audience(issuers: Issuers, tokens: Tokens, oidc: Oidc, name: str) -> None:
    with pytest.raises(Unauthenticated):
        issuers.verify(oidc.issuer, tokens.of(name), audience=None)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.", "x" * 20_000])
def test_what_is_no_token_is_refused(issuers: Issuers, oidc: Oidc, token: str) -> None:
    with pytest.raises(Unauthenticated):
        issuers.verify(oidc.issuer, token, audience=None)


def test_new_keys_are_found_but_not_asked_for_all_the_time(
    issuers: Issuers, tokens: Tokens, oidc: Oidc, clock: Clock
) -> None:
    issuers.verify(oidc.issuer, tokens.of("ann"), audience="drydock")
    former = tokens.of("ann")
    oidc.change_key()
    token = tokens.of("ann")
    before = oidc.asked("jwks")
    with pytest.raises(Unauthenticated):
        issuers.verify(oidc.issuer, token, audience="drydock")
    assert oidc.asked("jwks") == before
    clock.at += ASKED_AGAIN_AFTER_S
    issuers.verify(oidc.issuer, token, audience="drydock")
    assert oidc.asked("jwks") == before + 1
    clock.at += ASKED_AGAIN_AFTER_S
    with pytest.raises(Unauthenticated):
        issuers.verify(oidc.issuer, former, audience="drydock")  # its key is published no longer
    clock.at += KEPT_S
    described = oidc.asked(".well-known/openid-configuration")
    issuers.verify(oidc.issuer, token, audience="drydock")
    assert oidc.asked(".well-known/openid-configuration") == described + 1


def test_keys_of_other_kinds_are_used_too(issuers: Issuers, tokens: Tokens, oidc: Oidc) -> None:
    oidc.change_key("ES256")
    assert issuers.verify(oidc.issuer, tokens.of("ann"), audience="drydock")["sub"] == "subject-of-ann"


def test_an_issuer_is_what_it_says_it_is_and_public(oidc: Oidc, web: JsonWeb) -> None:
    with pytest.raises(Upstream, match="another issuer"):
        Issuers(web).metadata(oidc.issuer, issuer="https://login.example.com")
    with pytest.raises(Upstream, match="404"):
        Issuers(web).metadata(oidc.issuer + "/elsewhere")
    with pytest.raises(Invalid, match="OUTBOUND_ALLOWED_PRIVATE_HOSTS"):
        Issuers(JsonWeb(Outbound([]))).verify(oidc.issuer, "x", audience=None)
