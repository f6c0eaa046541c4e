"""Secrets in what people read."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from buildworker.masking import Masker
from buildworker.output import MAX_LINE, Lines

SECRET = 'p@ss wörd/"quoted"+x'


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        quote_plus(SECRET),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        *(base64.b64encode(b"u" * size + SECRET.encode() + b":tail").decode() for size in range(4)),
    ],
)
def test_a_secret_is_masked_in_every_form(written: str) -> None:
    masked = Masker([SECRET]).masked(f"before {written} after")
    assert "****" in masked
    assert len(masked) < len(f"before {written} after")
    for part in (
        "p@ss",
        "wörd",
        "quoted",
        SECRET.encode().hex()[:12],
        base64.b64encode(SECRET.encode()).decode()[4:16],
    ):
        assert part not in masked


def test_each_line_of_a_secret_of_several_is_masked_and_ordinary_text_is_not() -> None:
    masker = Masker(["-----BEGIN KEY-----\nAAAABBBBCCCC\n}\nDDDDEEEE\n-----END KEY-----\n"])
    assert masker.masked("x AAAABBBBCCCC y") == "x **** y"
    assert masker.masked("DDDDEEEE") == "****"
    assert masker.masked("a } b") == "a } b"


def test_a_short_secret_is_masked_as_it_is() -> None:
    assert Masker(["abc"]).masked("xabcx") == "x****x"


def test_a_secret_written_in_pieces_is_masked_in_the_line_that_they_make() -> None:
    lines = Lines()
    pieces = ["to", "ken=", SECRET[:7], SECRET[7:], "\n"]
    found = [line.text for piece in pieces for line in lines.feed(piece)]
    assert [Masker([SECRET]).masked(text) for text in found] == ["token=****"]


def test_the_beginning_of_a_secret_where_a_line_was_cut_off_is_masked() -> None:
    lines = Lines()
    text = "x" * (MAX_LINE - 10) + "secret-of-some-length\n"
    [line] = lines.feed(text)
    masked = Masker(["secret-of-some-length"]).masked(line.text)
    assert masked.endswith("x****…")
