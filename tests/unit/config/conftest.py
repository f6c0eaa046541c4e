"""Fixtures for the configuration's tests: a file to write, and the errors that loading it gives."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.load import ConfigError, load_settings

Errors = Callable[..., list[str]]


@pytest.fixture
def errors(tmp_path: Path) -> Errors:
    """The printed problems of loading a file with some text, without its folder; empty if it loads."""

    def load(text: str, environ: dict[str, str] | None = None, **overrides: object) -> list[str]:
        file = tmp_path / "config.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            load_settings(file, environ or {}, **overrides)
        except ConfigError as error:
            return str(error).replace(f"{tmp_path}/", "").splitlines()
        return []

    return load
