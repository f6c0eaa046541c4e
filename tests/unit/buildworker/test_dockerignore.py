import time

import pytest

from buildworker.dockerignore import Ignored
from models.errors import Invalid


def left_out(text: str, path: str) -> bool:
    """As a walk would find out: from the top, each folder knowing what matched above it."""
    ignored = Ignored(text)
    matches = ignored.nothing
    parts = path.split("/")
    for end in range(1, len(parts) + 1):
        matches = ignored.match(parts[:end], matches)
    return ignored.leaves_out(matches)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("node_modules", "node_modules"),
        ("node_modules", "node_modules/x/y.js"),
        ("/build", "build/x"),
        ("build/", "build"),
        ("./build/../dist", "dist/a"),
        ("*.log", "a.log"),
        ("*/temp*", "x/temporary"),
        ("*/*/temp*", "x/y/temporary.txt"),
        ("temp?", "tempa"),
        ("**/*.go", "a.go"),
        ("**/*.go", "x/y/a.go"),
        ("**/dir", "a/dir/b"),
        ("a/**/z", "a/z"),
        ("a/**/z", "a/b/c/z"),
        ("a/**", "a/b"),
        ("**", "anything/at/all"),
        ("a/**/b/**/c", "a/1/b/2/3/c"),
        ("[a-c].txt", "b.txt"),
        ("[^a-c].txt", "d.txt"),
        ("[]-a].txt", "[]-a].txt"),
        (r"\*.txt", "*.txt"),
        (r"a\?b", "a?b"),
        ("  spaced.txt  \r\n", "spaced.txt"),
        ("\ufefffirst", "first"),
        ("# comment\nx", "x"),
        ("a*b*c", "aXbbXbc"),
        ("!x\nx", "x"),
        ("*\n!keep\nkeep/secret", "keep/secret"),
        ("é*", "été"),
    ],
)
def test_what_a_pattern_means_stays_out(text: str, path: str) -> None:
    assert left_out(text, path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "a"),
        ("# a", "# a"),
        ("node_modules", "src/node_modules"),
        ("*.log", "x/a.log"),
        ("*/temp*", "temporary"),
        ("temp?", "temp"),
        ("a/**", "a"),
        ("a/**/z", "az"),
        ("[a-c].txt", "d.txt"),
        ("[c-a].txt", "b.txt"),
        (r"\*.txt", "a.txt"),
        (".", "a"),
        ("!", "a"),
        ("../x", "x/y"),
        ("*\n!keep", "keep"),
        ("*\n!keep", "keep/below"),
        ("*.md\n!README*.md", "README.md"),
        ("**\n!src/**/*.go", "src/x/a.go"),
        ("a.c", "abc"),
    ],
)
def test_everything_else_is_sent(text: str, path: str) -> None:
    assert not left_out(text, path)


@pytest.mark.parametrize(
    ("text", "folder", "expected"),
    [
        ("*\n!src/main", "src", True),
        ("*\n!src/main", "other", False),
        ("*\n!**/*.go", "any/where", True),
        ("*\n!s*/x", "src", True),
        ("*\n!src", "src/inner", False),
        ("node_modules", "node_modules", False),
    ],
)
def test_a_folder_that_stays_out_is_searched_only_for_what_may_be_kept(text: str, folder: str, expected: bool) -> None:
    assert Ignored(text).may_keep_below(folder.split("/")) is expected


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 60 + "b", "a" * 250),
        ("**/a/" * 60 + "b", "a/" * 900 + "c"),
        ("[a-z]*" * 60 + "0", "a" * 250),
    ],
)
def test_no_pattern_takes_long(pattern: str, path: str) -> None:
    begun = time.monotonic()
    ignored = Ignored(pattern)
    assert not ignored.leaves_out(ignored.match(path.split("/"), ignored.nothing))
    assert time.monotonic() - begun < 0.5


def test_a_file_too_large_is_refused() -> None:
    with pytest.raises(Invalid, match="larger than 65536 bytes"):
        Ignored("x\n" * 40_000)
