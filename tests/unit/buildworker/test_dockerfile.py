from pathlib import Path

import pytest

from buildworker.dockerfile import base_images, instructions, locate, step_count
from models.errors import Invalid


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("FROM alpine", ["alpine"]),
        ("from alpine:3 as build\nFROM build\nFROM scratch\n", ["alpine:3"]),
        ("FROM a AS one\nFROM b AS two\nFROM ONE\nCOPY --from=two / /\nCOPY --from=0 / /", ["a", "b"]),
        ("FROM --platform=linux/amd64 localhost:8080/ns/base@sha256:00 AS x", ["localhost:8080/ns/base@sha256:00"]),
        ("ARG TAG=3\nARG NAME=alp-$TAG\nFROM ${NAME}:${TAG}\nARG TAG=4\nFROM x:$TAG", ["alp-3:3", "x:3"]),
        ("ARG A=\"q 1\" B='r' C\nFROM $B:${C:-dflt}${A:+set}", ["r:dfltset"]),
        ("FROM ${X-none}${Y+no}", ["none"]),
        ("FROM $UNSET", []),
        (r"FROM a\$b", ["a$b"]),
        ("# escape=`\nFROM a\nRUN x `\nFROM b\nFROM c", ["a", "c"]),
        ("# syntax=docker/dockerfile:1\n# escape=`\n\nFROM a\nRUN x \\\nFROM b", ["a", "b"]),
        ("\n# escape=`\nFROM a\nRUN x `\nFROM b", ["a", "b"]),
        ("FROM a\nRUN x \\\n  # FROM no\n\n  FROM-not \\\n\nENV A=b\nFROM c", ["a", "c"]),
        ("FROM \\\n  a \\\n AS \\\n  b\nFROM b", ["a"]),
        ("FROM a\nRUN <<EOF\nFROM no\nEOF\nFROM b", ["a", "b"]),
        ("FROM a\nCOPY <<-'ONE' <<\"TWO\" /\nFROM no\n\tONE\nFROM no\nTWO\nFROM b", ["a", "b"]),
        ("FROM a\nRUN cat <<< FROM\nFROM b", ["a", "b"]),
        ("FROM a\nCOPY --chown=1 --from=other/image:1 /x /y", ["a", "other/image:1"]),
        ("FROM a\r\nRUN x \\\r\n y\r\nFROM a\r\n", ["a"]),
        ("FROM", []),
        ("", []),
        ("FROM a\nRUN ends in \\", ["a"]),
        ("\\", []),
    ],
)
def test_base_images(text: str, images: list[str]) -> None:
    assert base_images(text) == images


DOUBLING = "ARG A0=xx\n" + "".join(f"ARG A{number + 1}=$A{number}$A{number}\n" for number in range(60))
LONG = "ARG A=" + "x" * 4000 + "\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (DOUBLING + "FROM $A60", "ARG A12: the value is longer than the 4096 characters allowed"),
        ("ARG A=" + "$A" * 300_000, "ARG A: the value is longer"),
        (LONG + "FROM a$A$A", "FROM: the value is longer"),
        ("FROM " + "${a:-" * 200_000, "FROM: the value is longer"),
        ("FROM a\nCOPY --from=" + "b" * 5000 + " / /", "COPY --from: the value is longer"),
        (LONG + "".join(f"ARG B{number}=$A\n" for number in range(300)), "more than 1048576 characters in all"),
        (LONG + "".join(f"FROM {number}$A\n" for number in range(300)), "more than 1048576 characters in all"),
    ],
)
def test_variables_cannot_grow_without_end(text: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        base_images(text)


def test_instructions_are_joined_and_counted() -> None:
    text = 'ARG A\nFROM x\n# no\nRUN a && \\\n  # no\n  b\nCMD ["sh"]\n'
    assert [(one.keyword, one.rest) for one in instructions(text)] == [
        ("ARG", "A"),
        ("FROM", "x"),
        ("RUN", "a &&   b"),
        ("CMD", '["sh"]'),
    ]
    assert step_count(text) == 4


def test_a_file_of_backslashes_is_read_quickly() -> None:
    assert step_count("RUN \\\n" * 100_000) == 1
    assert step_count("\\ " * 300_000) == 1


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    return root


def put(tree: Path, *names: str) -> None:
    for name in names:
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"FROM {name}")


@pytest.mark.parametrize("path", ["Dockerfile", "/Dockerfile", "./Dockerfile", "//Dockerfile"])
@pytest.mark.parametrize("context", ["", "/", "."])
def test_the_dockerfile_at_the_top_is_found(tree: Path, path: str, context: str) -> None:
    put(tree, "Dockerfile")
    source = locate(tree, path, context)
    assert (source.context, source.dockerfile, source.text) == (tree, tree / "Dockerfile", "FROM Dockerfile")


def test_dockerfile_and_context_may_be_apart(tree: Path) -> None:
    put(tree, "docker/App.dockerfile", "src/main.c")
    source = locate(tree, "/docker/App.dockerfile", "/src/")
    assert (source.context, source.dockerfile) == (tree / "src", tree / "docker/App.dockerfile")


def test_the_folder_that_a_forge_puts_around_everything_is_looked_into(tree: Path) -> None:
    put(tree, "repo-main/sub/Dockerfile", "repo-main/lib/x", "__MACOSX/x", "pax_global_header")
    source = locate(tree, "sub/Dockerfile", "lib")
    assert (source.context, source.dockerfile) == (tree / "repo-main/lib", tree / "repo-main/sub/Dockerfile")


def test_with_two_such_folders_none_is_chosen(tree: Path) -> None:
    put(tree, "a/Dockerfile", "b/Dockerfile")
    with pytest.raises(Invalid, match="Dockerfile 'Dockerfile' not found in the archive; it has: 'a/Dockerfile', 'b/"):
        locate(tree, "Dockerfile", "")


def test_a_missing_dockerfile_is_told_with_ten_that_are_there(tree: Path) -> None:
    put(tree, *(f"d{number:02}/x.dockerfile" for number in range(12)), "Containerfile", "a/Dockerfile.dev", "other")
    with pytest.raises(Invalid) as refused:
        locate(tree, "docker/Dockerfile", "")
    listed = "'Containerfile', 'a/Dockerfile.dev', " + ", ".join(f"'d{number:02}/x.dockerfile'" for number in range(8))
    assert refused.value.detail == f"Dockerfile 'docker/Dockerfile' not found in the archive; it has: {listed}, …"


def test_without_any_it_says_so(tree: Path) -> None:
    put(tree, "README")
    with pytest.raises(Invalid, match="it has no file of such a name"):
        locate(tree, "Dockerfile", "")


def test_a_folder_of_that_name_is_no_dockerfile(tree: Path) -> None:
    put(tree, "Dockerfile/x")
    with pytest.raises(Invalid, match="not found"):
        locate(tree, "Dockerfile", "")


@pytest.mark.parametrize("path", ["../Dockerfile", "a/../../Dockerfile", "..", "x\0y"])
def test_a_path_that_leads_out_is_refused(tree: Path, path: str) -> None:
    put(tree.parent, "Dockerfile")
    put(tree, "Dockerfile")
    with pytest.raises(Invalid, match="dockerfile_path: "):
        locate(tree, path, "")
    with pytest.raises(Invalid, match="context: "):
        locate(tree, "Dockerfile", path)


def test_a_link_that_leads_out_is_refused(tree: Path) -> None:
    put(tree.parent, "outside/Dockerfile")
    put(tree, "Dockerfile")
    (tree / "l").symlink_to(tree.parent / "outside")
    with pytest.raises(Invalid, match="dockerfile_path: 'l/Dockerfile' is a link that leads out of the archive"):
        locate(tree, "l/Dockerfile", "")
    with pytest.raises(Invalid, match="context: 'l' is a link that leads out"):
        locate(tree, "Dockerfile", "l")


def test_a_link_inside_is_followed(tree: Path) -> None:
    put(tree, "docker/Dockerfile")
    (tree / "Dockerfile").symlink_to("docker/Dockerfile")
    assert locate(tree, "Dockerfile", "").dockerfile == tree / "docker/Dockerfile"


def test_links_in_a_circle_lead_nowhere(tree: Path) -> None:
    (tree / "Dockerfile").symlink_to("b")
    (tree / "b").symlink_to("Dockerfile")
    for number in range(2000):
        (tree / f"c{number}").symlink_to(f"c{number + 1}")
    for path in ("Dockerfile", "c0"):
        with pytest.raises(Invalid, match="not found"):
            locate(tree, path, "")


def test_a_context_that_is_missing_or_a_file_is_told(tree: Path) -> None:
    put(tree, "Dockerfile")
    for context in ("missing", "Dockerfile"):
        with pytest.raises(Invalid, match=f"context '{context}' is not a folder of the archive"):
            locate(tree, "Dockerfile", context)


def test_a_huge_dockerfile_is_refused(tree: Path) -> None:
    (tree / "Dockerfile").write_bytes(b"#" * 1_100_000)
    with pytest.raises(Invalid, match="larger than 1048576 bytes"):
        locate(tree, "Dockerfile", "")


def test_bytes_that_are_not_text_and_a_byte_order_mark_do_no_harm(tree: Path) -> None:
    (tree / "Dockerfile").write_bytes(b"\xef\xbb\xbfFROM a\n# caf\xe9\n")
    assert base_images(locate(tree, "Dockerfile", "").text) == ["a"]
