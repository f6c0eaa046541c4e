"""Git servers on loopback, all of them for the same folder of repositories."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.git import GitServer, Repository, git_daemon


@pytest.fixture(scope="package")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("git") / "root"
    folder.mkdir()
    return folder


@pytest.fixture(scope="package")
def daemon(root: Path) -> Iterator[GitServer]:
    with git_daemon(root) as server:
        yield server


@pytest.fixture
def repository(root: Path, request: pytest.FixtureRequest) -> Repository:
    return Repository(root, f"{request.node.name}.git")
