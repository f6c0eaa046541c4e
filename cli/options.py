"""Options that several commands share, and the settings they lead to."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from config.load import FILE_VARIABLE, ConfigError, Problem, load_settings
from config.secrets import ensure_secrets
from config.settings import Settings
from storage.opening import check_storage

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration file; otherwise the one that DRYDOCK_CONFIG names."),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Data folder; otherwise DRYDOCK_DATA, the file's DATA, or ./data."),
]
PasswordOption = Annotated[
    str, typer.Option(help="The password; `-` reads a line from standard input.", prompt=True, hide_input=True)
]


ROOT = str(Path(__file__).resolve().parent.parent)
"""Where the packages are: the source folder, or the one they were installed into."""


class Refused(Exception):
    """A command cannot do what was asked; the message is one sentence for the person at the terminal."""


def settings_from(config: Path | None, data: Path | None, **overrides: object) -> Settings:
    """The settings with all secrets, made and kept if this is the first command on an embedded instance."""
    return ensure_secrets(checked_settings(config, DATA=data, **overrides))


def checked_settings(config: Path | None, **overrides: object) -> Settings:
    """The settings, of which all is right that can be known without looking elsewhere; ConfigError."""
    settings = load_settings(config, os.environ, **overrides)
    locations = settings.DISTRIBUTED_STORAGE_CONFIG.items()
    problems = [_storage_problem(f"DISTRIBUTED_STORAGE_CONFIG.{name}", location) for name, location in locations]
    if found := [problem for problem in problems if problem]:
        raise ConfigError(found)
    return settings


def _storage_problem(key: str, location: tuple[str, Mapping[str, Any]]) -> Problem | None:
    driver, parameters = location
    message = "MemoryStorage is for tests: every process would have a store of its own"
    try:
        if driver != "MemoryStorage":
            check_storage([driver, dict(parameters)])
            return None
    except ValueError as exc:
        message = str(exc)
    return Problem(key, None, "", message)


def environ_of(settings: Settings, config: Path | None) -> dict[str, str]:
    """The environment in which another process finds these settings and our modules, whatever folder it runs in.

    Secrets are not in it but what was given that way; the process finds generated ones in the data folder.
    """
    file = config or os.environ.get(FILE_VARIABLE)
    given = {"DRYDOCK_HOST": settings.HOST, "DRYDOCK_PORT": str(settings.PORT), "DRYDOCK_DATA": str(settings.data)}
    if file:
        given[FILE_VARIABLE] = str(Path(file).absolute())
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    given["PYTHONPATH"] = os.pathsep.join([ROOT, *(folder for folder in known if folder not in {"", ROOT})])
    return os.environ | given


def admin_password_file(settings: Settings) -> Path:
    """Where the first superuser's password is kept."""
    return settings.data / "admin-password"
