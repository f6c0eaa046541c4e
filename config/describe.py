"""Settings as people may see them: everything that is secret masked."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from config.settings import Settings

MASK = "********"

# Whatever may be one is masked: that a harmless value is hidden costs less than that a secret is shown.
_SECRET_NAME = re.compile(r"key|secret|passw|pwd|token|credential|auth|cert|signature", re.IGNORECASE)


def describe(settings: Settings) -> dict[str, object]:
    """Every key with its value in force, as plain data (JSON, YAML); of addresses only the password is masked."""
    described = {key: _plain(getattr(settings, key)) for key in type(settings).model_fields}
    described["DB_URI"] = _address(settings.db_uri.get_secret_value())
    described["BUILD_ENGINE_URL"] = settings.build_engine_url
    if settings.REDIS_URL is not None:
        described["REDIS_URL"] = _address(settings.REDIS_URL.get_secret_value())
    return described


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(name): _named(str(name), part) for name, part in value.items()}
    if isinstance(value, str):
        return _address(value)
    if isinstance(value, Sequence):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def _named(name: str, value: object) -> object:
    hidden = _SECRET_NAME.search(name) and not isinstance(value, bool | None)
    return MASK if hidden else _plain(value)


def _address(text: str) -> str:
    """`text` with the password masked if it is a URL that has one."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    netloc = urlsplit(f"//{rest}").netloc
    login, at, host = netloc.rpartition("@")
    path = rest[len(netloc) :]
    if "@" in path or _SECRET_NAME.search(path.partition("?")[2]):
        # A password with an unquoted slash, or one in the query: what is what cannot be told.
        return f"{scheme}://{MASK}"
    user, colon, _ = login.partition(":")
    return f"{scheme}://{user}{colon}{MASK if colon else ''}{at}{host}{path}"
