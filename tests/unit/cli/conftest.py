"""The command line as a function, and a log that is put back as it was."""

import io
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.main import main
from config.load import load_settings
from config.secrets import ensure_secrets
from models.migrate import upgrade
from models.opening import open_database


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with secrets and an empty database, to be copied."""
    folder = tmp_path_factory.mktemp("migrated") / "data"
    database = open_database(ensure_secrets(load_settings(None, {}, DATA=folder)))
    upgrade(database)
    database.dispose()
    return folder


@pytest.fixture
def installed(migrated: Path, data: Path) -> Path:
    """The data folder of an installation that ran before."""
    return shutil.copytree(migrated, data)


@pytest.fixture
def drydock(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path) -> Callable[..., Done]:
    """Runs a command on a data folder of the test's own, without the caller's settings."""
    for name in [name for name in os.environ if name.startswith("DRYDOCK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DRYDOCK_DATA", str(data))

    def run(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["drydock", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """The root logger, whose handlers and level come back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
