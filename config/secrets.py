"""The secrets of an embedded instance: made on its first start, kept in its data folder, the same for every process."""

import os
import secrets
from pathlib import Path

from config.load import validate
from config.problems import ConfigError, Problem, unknown_key
from config.schema import SecretKeys
from config.settings import Settings
from config.yaml_file import read_yaml

FILE = "secrets.yaml"
GENERATED = ("SECRET_KEY", "DATABASE_SECRET_KEY")

_COMMAND = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
_HEADER = """\
# Secrets of this Drydock, made on its first start. Keep this file private and back it up:
# without DATABASE_SECRET_KEY the robot tokens and secrets in the database cannot be read again.
"""


def new_secret() -> str:
    """A random secret of 64 characters, fit for every key of the group "Secrets"."""
    return secrets.token_urlsafe(48)


def ensure_secrets(settings: Settings) -> Settings:
    """`settings` with every secret present, from `<data>/secrets.yaml` where they were not configured.

    Embedded, the file is made if there is none. Otherwise nothing is read or made: ConfigError names what is missing.
    """
    missing = [key for key in GENERATED if getattr(settings, key) is None]
    if not missing:
        return settings
    if not settings.embedded:
        raise ConfigError(Problem(key, None, "configuration", _not_embedded()) for key in missing)
    file = settings.data / FILE
    try:
        if not file.exists():
            _create(file)
        _refuse_public(file)
    except OSError as error:
        message = f"cannot be made or read: {error.strerror or type(error).__name__}"
        raise ConfigError([Problem("", None, str(file), message)]) from error
    return _with_file(settings, file, missing)


def _not_embedded() -> str:
    return (
        "expected a secret that all processes share, because the database is not in the data folder; "
        f"make one with: {_COMMAND}"
    )


def _create(file: Path) -> None:
    """Publish a complete file under its name, or leave the one that another process published first."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{FILE}.{os.getpid()}.{secrets.token_hex(8)}")
    content = _HEADER + "".join(f'{key}: "{new_secret()}"\n' for key in GENERATED)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        # A link, unlike a rename, fails when the name exists: of two processes one wins, and both read its file.
        try:
            file.hardlink_to(draft)
        except FileExistsError:
            return
        _sync_folder(file.parent)
    finally:
        draft.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_public(file: Path) -> None:
    if file.stat().st_mode & 0o007:
        message = f"everyone on this machine may open it; run: chmod 600 {file}"
        raise ConfigError([Problem("", None, str(file), message)])


def _with_file(settings: Settings, file: Path, missing: list[str]) -> Settings:
    given = read_yaml(file)
    problems = [
        item.problem((key,), unknown_key(key, SecretKeys.model_fields))
        for key, item in given.items()
        if key not in SecretKeys.model_fields
    ]
    # Never made anew: what the database holds was encrypted with the key that is gone.
    lost = "expected a secret, got nothing; restore this file from a backup"
    problems += [Problem(key, None, str(file), lost) for key in missing if key not in given]
    kept = validate({key: item for key, item in given.items() if key in SecretKeys.model_fields}, problems)
    update = {key: getattr(kept, key) for key in kept.model_fields_set & given.keys() if not getattr(settings, key)}
    return settings.model_copy(update=update)
