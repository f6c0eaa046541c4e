"""Loading settings: defaults, then a YAML file, then `DRYDOCK_*` of the environment, then the command line."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from config.people import LOGIN_CONFIG
from config.problems import ConfigError, Given, Problem, explain, is_optional, unknown_key
from config.settings import Settings, settings_with
from config.yaml_file import parse_yaml, read_yaml

__all__ = ["ConfigError", "Problem", "load_settings"]

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)

_LOGIN_SERVICE = re.compile(rf"[A-Z][A-Z0-9]{{0,40}}{LOGIN_CONFIG}")

PREFIX = "DRYDOCK_"
FILE_VARIABLE = "DRYDOCK_CONFIG"
ENVIRONMENT = "environment"
COMMAND_LINE = "command line"

# Kubernetes describes a service named "drydock" in variables of this form to every pod beside it.
_KUBERNETES = re.compile(r"DRYDOCK_(\w+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_KUBERNETES_HINT = "Kubernetes set it for a service named drydock; set enableServiceLinks: false in the pod"


def load_settings(path: Path | None, environ: Mapping[str, str], **overrides: object) -> Settings:
    """The settings from the file at `path` (None: the one that DRYDOCK_CONFIG names, if any) and everything above it.

    `overrides` are keys from the command line, such as `PORT=9000`; None means not given. ConfigError has all problems.
    """
    if path is None and environ.get(FILE_VARIABLE):
        path = Path(environ[FILE_VARIABLE])
    file = read_yaml(path) if path else {}
    model = settings_with(_login_services((*file, *(name.removeprefix(PREFIX) for name in environ))))
    env = _environment(environ, model)
    problems = [_unknown(item, key) for key, item in (*file.items(), *env.items()) if key not in model.model_fields]
    given = _docker_host(environ) | file | env | _command_line(overrides)
    return validate({key: item for key, item in given.items() if key in model.model_fields}, problems, model)


def _login_services(keys: Iterable[str]) -> list[str]:
    """Those of the keys that configure a service to sign in by."""
    return sorted({key for key in keys if _LOGIN_SERVICE.fullmatch(key)})


def validate(
    given: Mapping[str, Given], problems: Sequence[Problem] = (), model: type[Settings] = Settings
) -> Settings:
    """Settings of what was given; ConfigError with `problems`, found before, and all that are found here."""
    try:
        settings = _settings(given, model)
    except ValidationError as error:
        raise ConfigError(_in_order([*problems, *_all_problems(error, given, model)])) from None
    if problems:
        raise ConfigError(_in_order(problems))
    return settings


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """The file's problems by line, then those of the environment and of the command line."""
    later = {ENVIRONMENT: 1, COMMAND_LINE: 2}
    return sorted(problems, key=lambda problem: (later.get(problem.source, 0), problem.line or 0))


def _settings(given: Mapping[str, Given], model: type[Settings]) -> Settings:
    return model.model_validate({key: item.value for key, item in given.items()})


def _all_problems(error: ValidationError, given: Mapping[str, Given], model: type[Settings]) -> list[Problem]:
    problems = explain(error, model, given)
    wrong = {str(item["loc"][0]) for item in error.errors() if item["loc"]}
    if wrong:
        # Keys are compared with each other only when each is right for itself: compare the ones that are.
        try:
            _settings({key: item for key, item in given.items() if key not in wrong}, model)
        except ValidationError as conflicts:
            problems += explain(conflicts, model, given, wrong)
    return problems


def _unknown(item: Given, key: str) -> Problem:
    prefix = item.written.removesuffix(key)
    message = unknown_key(key, Settings.model_fields, prefix)
    if prefix and _KUBERNETES.fullmatch(item.written):
        message = f"unknown key; {_KUBERNETES_HINT}"
    return item.problem((key,), message)


def _environment(environ: Mapping[str, str], model: type[Settings]) -> dict[str, Given]:
    given = {}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name != FILE_VARIABLE:
            key = name.removeprefix(PREFIX)
            given[key] = Given(_read_text(key, environ[name], model), ENVIRONMENT, name)
    return given


def _docker_host(environ: Mapping[str, str]) -> dict[str, Given]:
    host = environ.get("DOCKER_HOST")
    return {"BUILD_ENGINE_URL": Given(host, ENVIRONMENT, "DOCKER_HOST")} if host else {}


def _command_line(overrides: Mapping[str, object]) -> dict[str, Given]:
    for key in overrides:
        if key not in Settings.model_fields:
            raise TypeError(f"{key} is no setting")
    return {
        key: Given(value, COMMAND_LINE, "--" + key.lower().replace("_", "-"))
        for key, value in overrides.items()
        if value is not None
    }


def _read_text(key: str, text: str, model: type[Settings]) -> object:
    """The value that `text` stands for, as the key's type wants it; `text` itself if it cannot be read so."""
    known = model.model_fields.get(key)
    if known is None:
        return text
    annotation = known.annotation
    if is_optional(annotation):
        if not text:
            return None
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return _read_as(get_origin(annotation) or annotation, text)


def _read_as(wanted: Any, text: str) -> object:
    if wanted is bool:
        return _BOOLEANS.get(text.strip().lower(), text)
    if wanted is int:
        return int(text) if _WHOLE.fullmatch(text.strip()) else text
    if wanted is Sequence and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    if wanted in {Sequence, Mapping} or (isinstance(wanted, type) and issubclass(wanted, BaseModel)):
        return _read_yaml(text)
    return text


def _read_yaml(text: str) -> object:
    try:
        return parse_yaml(text)
    except ValueError:
        return text
