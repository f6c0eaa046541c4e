import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from buildworker.context import open_context
from models.errors import Invalid


def sent(folder: Path, dockerfile: str = "Dockerfile") -> tarfile.TarFile:
    context = open_context(folder, folder / dockerfile)
    return tarfile.open(fileobj=io.BytesIO(b"".join(context.stream)))


def names(folder: Path) -> list[str]:
    with sent(folder) as archive:
        return archive.getnames()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / "src" / "main.c").write_text("int main;")
    (root / "src" / "deep" / "notes.md").write_text("x")
    return root


def test_files_folders_and_links_are_sent_as_they_are(folder: Path) -> None:
    (folder / "src" / "link").symlink_to("/etc/passwd")
    (folder / "src" / "main.c").chmod(0o4755)
    os.utime(folder / "src" / "main.c", (5, 5))
    with sent(folder) as archive:
        members = {member.name: member for member in archive}
        file = archive.extractfile("src/main.c")
        assert file is not None
        assert file.read() == b"int main;"
    assert list(members) == ["Dockerfile", "src", "src/deep", "src/link", "src/main.c", "src/deep/notes.md"]
    assert members["src/link"].linkname == "/etc/passwd"
    assert (members["src/main.c"].mode, members["src/main.c"].mtime, members["src/main.c"].uid) == (0o755, 5, 0)
    assert members["src"].isdir()


def test_names_that_are_long_or_not_utf8_arrive(folder: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")
    long = "n" * 200
    (folder / "src" / odd).write_text("1")
    (folder / "src" / long).write_text("2")
    assert {f"src/{odd}", f"src/{long}"} <= set(names(folder))


def test_what_is_no_file_is_left_out(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        assert "pipe" not in names(folder)
        assert "socket" not in names(folder)


def test_what_dockerignore_names_is_left_out(folder: Path) -> None:
    (folder / ".dockerignore").write_text("**/*.md\nDockerfile\n.dockerignore\n")
    assert names(folder) == [".dockerignore", "Dockerfile", "src", "src/deep", "src/main.c"]


def test_what_dockerignore_keeps_in_an_ignored_folder_is_sent(folder: Path) -> None:
    (folder / ".dockerignore").write_text("src\n!src/deep/notes.md\n")
    assert names(folder) == [".dockerignore", "Dockerfile", "src/deep/notes.md"]


def test_an_ignored_dockerfile_deeper_down_is_sent_all_the_same(folder: Path) -> None:
    (folder / "src" / "deep" / "App.dockerfile").write_text("FROM scratch\n")
    (folder / ".dockerignore").write_text("src\n")
    with sent(folder, "src/deep/App.dockerfile") as archive:
        assert archive.getnames() == [".dockerignore", "Dockerfile", "src/deep/App.dockerfile"]


@pytest.mark.parametrize("ignore", [None, "*.md\n"])
def test_a_dockerfile_outside_comes_under_a_name_that_is_ignored(folder: Path, ignore: str | None) -> None:
    outside = folder.parent / "Other"
    outside.write_text("FROM other\n")
    if ignore:
        (folder / ".dockerignore").write_text(ignore)
    context = open_context(folder, outside)
    with tarfile.open(fileobj=io.BytesIO(b"".join(context.stream))) as archive:
        dockerfile, ignored = archive.extractfile(context.dockerfile), archive.extractfile(".dockerignore")
        assert dockerfile is not None
        assert ignored is not None
        assert dockerfile.read() == b"FROM other\n"
        assert ignored.read().decode() == (ignore or ".dockerignore\n") + f"{context.dockerfile}\n"
        assert archive.getnames().count(".dockerignore") == 1


def test_a_linked_dockerfile_is_found_where_it_leads(folder: Path) -> None:
    (folder / "link").symlink_to("src/main.c")
    assert open_context(folder, folder / "link").dockerfile == "src/main.c"


def test_a_large_file_comes_in_pieces(folder: Path) -> None:
    with (folder / "big").open("wb") as file:
        file.truncate(50_000_000)
    pieces = [len(piece) for piece in open_context(folder, folder / "Dockerfile").stream]
    assert sum(pieces) > 50_000_000
    assert max(pieces) < 1_000_000


def test_a_dockerignore_too_large_is_refused(folder: Path) -> None:
    (folder / ".dockerignore").write_text("x\n" * 40_000)
    with pytest.raises(Invalid, match=r"\.dockerignore is larger"):
        open_context(folder, folder / "Dockerfile")
