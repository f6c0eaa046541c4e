from pathlib import Path

import pytest
from redis import Redis

from cli import private_redis


def fake_server(folder: Path, says: str) -> Path:
    folder.mkdir()
    server = folder / "redis-server"
    server.write_text(f"#!/bin/sh\n{says}\n")
    server.chmod(0o755)
    return server


def test_the_newest_server_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = fake_server(tmp_path / "newer", "echo 'Redis server v=99.10.2 sha=0 bits=64'")
    monkeypatch.setenv("PATH", str(newer.parent), prepend=":")

    assert private_redis.find_server() == str(newer)


@pytest.mark.parametrize("says", ["echo 'Redis server v=0.9.9 sha=0'", "exit 127"])
def test_a_server_that_is_older_or_does_not_run_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    usual = private_redis.find_server()
    worse = fake_server(tmp_path / "worse", says)
    monkeypatch.setenv("PATH", f"{worse.parent}:{Path(usual).parent}:/usr/bin:/bin")

    assert private_redis.find_server() != str(worse)


def test_the_folder_is_private_and_free_of_what_a_killed_server_left(tmp_path: Path) -> None:
    (private_redis.make_folder(tmp_path) / private_redis.SOCKET).touch()
    folder = private_redis.make_folder(tmp_path)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir()) == []


def test_a_path_too_long_for_a_socket_is_replaced_by_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    deep = tmp_path / ("é" * 60)
    deep.mkdir()

    folder = private_redis.make_folder(deep)
    assert folder.parent == tmp_path
    assert len(str(folder / private_redis.SOCKET).encode()) <= private_redis.LONGEST_SOCKET_PATH


def test_the_address_survives_characters_that_mean_something_in_urls(tmp_path: Path) -> None:
    folder = tmp_path / "a b%20?#é"

    with Redis.from_url(private_redis.url(folder)) as client:
        assert client.connection_pool.connection_kwargs["path"] == str(folder / private_redis.SOCKET)
