"""The local driver keeps the contract, and what it promises of files besides."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import storage.local
from storage.driver import StorageError, UploadBusy, UploadLost
from storage.local import LocalStorage
from tests.factories.streams import MIB, content
from tests.storage_suite import CASES, Case, upload


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_local_storage(case: Case, local: LocalStorage) -> None:
    case(local)


def left_over(root: Path) -> list[str]:
    return [path.name for path in (root / "uploads").iterdir()]


def test_gives_a_real_file_that_stands_where_the_range_begins(local: LocalStorage) -> None:
    local.write("a/b", b"0123456789")
    with local.open("a/b", start=3, stop=8) as stream:
        assert os.lseek(stream.fileno(), 0, os.SEEK_CUR) == 3
        assert os.fstat(stream.fileno()).st_size == 10
        buffer = bytearray(4)
        assert stream.readinto(buffer) == 4  # type: ignore[attr-defined]
        assert buffer == b"3456"
        assert os.lseek(stream.fileno(), 0, os.SEEK_CUR) == 7
        assert stream.read() == b"7"


def test_is_readable_by_its_owner_only(local: LocalStorage, local_root: Path) -> None:
    before = os.umask(0)
    try:
        local.write("deep/down/written", b"x")
        local.commit(upload(local, "other/uploaded", b"x"))
    finally:
        os.umask(before)
    for path in local_root.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_leaves_nothing_in_uploads(local: LocalStorage, local_root: Path) -> None:
    local.write("a", b"x")
    local.ping()
    local.commit(upload(local, "b", b"x"))
    local.abort(upload(local, "c", b"x"))
    with pytest.raises(StorageError, match="does not serve a/below"):
        local.write("a/below", b"a file is in the way")
    assert left_over(local_root) == []


def test_refuses_a_second_request_while_one_appends(local: LocalStorage, local_root: Path) -> None:
    state = upload(local, "busy", b"first ")
    with (local_root / "uploads" / state["upload"]).open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UploadBusy):
            local.append(state, [b"second"])
        with pytest.raises(UploadBusy):
            local.commit(state)
    local.commit(local.append(state, [b"second"]))
    assert local.read("busy") == b"first second"


def test_large_uploads_reach_the_disk_while_they_come(local: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    begin = storage.local._begin_writing

    def watched(fd: int, start: int, length: int) -> None:
        asked.append((start, start + length))
        begin(fd, start, length)

    monkeypatch.setattr(storage.local, "_begin_writing", watched)
    first = content(9 * MIB)
    state = local.append(local.begin("a/large"), (first[at : at + 300_000] for at in range(0, len(first), 300_000)))
    state = local.append(state, iter([content(20 * MIB), b"the end"]))
    begun, ended = zip(*asked, strict=True)
    assert (begun[0], ended[-1]) == (0, 29 * MIB)  # all but the last bytes
    assert begun[1] <= 9 * MIB  # what the first request left
    local.commit(state)
    assert local.read("a/large") == first + content(20 * MIB) + b"the end"


def test_says_when_acknowledged_bytes_are_missing(local: LocalStorage, local_root: Path) -> None:
    state = upload(local, "short", b"0123456789")
    os.truncate(local_root / "uploads" / state["upload"], 4)
    with pytest.raises(UploadLost, match="has 4 bytes, 10 were acknowledged"):
        local.append(state, [b"more"])
    with pytest.raises(UploadLost):
        local.commit(state)


def test_takes_a_commit_again_after_a_crash_between_rename_and_reply(local: LocalStorage, local_root: Path) -> None:
    state = upload(local, "renamed", b"0123456789")
    (local_root / "uploads" / state["upload"]).rename(local_root / "renamed")
    local.commit(state)
    assert local.read("renamed") == b"0123456789"


def test_never_writes_into_an_object_that_was_published_meanwhile(local: LocalStorage, local_root: Path) -> None:
    state = upload(local, "published", b"0123456789")
    os.link(local_root / "uploads" / state["upload"], local_root / "linked")
    local.commit(state)
    with pytest.raises(UploadLost):
        local.append(state | {"size": 0}, [b"xx"])
    assert local.read("published") == b"0123456789"


def test_survives_a_kill_in_the_middle_of_an_append(local: LocalStorage, local_root: Path) -> None:
    state = upload(local, "killed", content(2 * MIB))
    _append_until_killed(local_root, state)
    assert (local_root / "uploads" / state["upload"]).stat().st_size > 2 * MIB
    assert list(local.list("")) == []
    local.commit(local.append(state, [content(MIB, 1)]))
    assert local.read("killed") == content(2 * MIB) + content(MIB, 1)


def test_keeps_what_a_killed_process_had_acknowledged(local: LocalStorage, local_root: Path) -> None:
    program = (
        "import json, os, pathlib, signal, sys; from storage.local import LocalStorage\n"
        "storage = LocalStorage(pathlib.Path(sys.argv[1]))\n"
        "print(json.dumps(storage.append(storage.begin('told'), [b'acknowledged'])), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", program, local_root], stdout=subprocess.PIPE, check=False)
    assert ended.returncode == -signal.SIGKILL
    local.commit(json.loads(ended.stdout))
    assert local.read("told") == b"acknowledged"


def test_names_what_the_file_system_says(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="file/below/uploads: File exists"):
        LocalStorage(tmp_path / "file" / "below")


def _append_until_killed(root: Path, state: dict[str, object]) -> None:
    """Append in another process without end, and end that process with -9 once bytes have arrived."""
    program = (
        "import itertools, json, pathlib, sys; from storage.local import LocalStorage\n"
        "def chunks():\n"
        "    for number in itertools.count():\n"
        "        if number == 64: print('going', flush=True)\n"
        "        yield bytes(65536)\n"
        "LocalStorage(pathlib.Path(sys.argv[1])).append(json.loads(sys.argv[2]), itertools.islice(chunks(), 100_000))"
    )
    argv = [sys.executable, "-c", program, str(root), json.dumps(state)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as running:
        assert running.stdout
        assert running.stdout.readline() == b"going\n"
        running.kill()
