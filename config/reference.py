"""The configuration reference, made from the schema: `python -m config.reference docs/configuration.md`."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic.fields import FieldInfo

from config.group import Group
from config.kinds import kind_of
from config.people import LoginService, SignInKeys
from config.schema import GROUPS, RedisServer
from config.units import format_size

_INTRODUCTION = """\
# Configuration

<!-- Made by `python -m config.reference docs/configuration.md`; edit the descriptions in config/schema.py. -->

Drydock needs no configuration: without any it runs embedded, with everything in its data folder. A value is taken from
the first of these that has it:

1. the command line (`--host`, `--port`, `--data`);
2. the environment: `DRYDOCK_` and the key, such as `DRYDOCK_WEB_WORKERS=4`. Lists are written with commas
   (`DRYDOCK_SUPER_USERS=ann,bob`) or as YAML, mappings as YAML or JSON, truth values as `true`, `false`, `1` or `0`;
3. the YAML file that `--config` or the variable `DRYDOCK_CONFIG` names; `conf/config.example.yaml` is an example;
4. the default.

Keys are spelled as in Quay where Quay has the concept. Unknown keys, unknown `DRYDOCK_*` variables and wrong values
stop the start; `drydock config check FILE` finds them beforehand, all at once.
"""
_TABLE = "| key | type | default | meaning |\n|---|---|---|---|\n"
_LOGIN_SERVICES = """
People can also sign in by OpenID Connect providers. Each has a mapping `<NAME>_LOGIN_CONFIG`, such as
`KEYCLOAK_LOGIN_CONFIG`, with the keys below. Register `<this registry>/oauth2/<name>/callback` and
`<this registry>/oauth2/<name>/callback/attach` with the provider as redirect addresses, `<name>` in small letters.

"""


def reference() -> str:
    """The whole page, in Markdown."""
    return _INTRODUCTION + "".join(_section(group) for group in GROUPS)


def _section(group: type[Group]) -> str:
    rows = "".join(_row(key, known) for key, known in _own_fields(group))
    services = _LOGIN_SERVICES + _TABLE + "".join(_row(key, known) for key, known in LoginService.model_fields.items())
    return f"\n## {group.title}\n\n{_TABLE}{rows}" + (services if group is SignInKeys else "")


def _own_fields(group: type[Group]) -> Iterator[tuple[str, FieldInfo]]:
    for key, known in group.model_fields.items():
        yield key, known
        if known.annotation is not None and RedisServer in getattr(known.annotation, "__args__", ()):
            yield from ((f"{key}.{name}", part) for name, part in RedisServer.model_fields.items())


def _row(key: str, known: FieldInfo) -> str:
    cells = (f"`{key}`", kind_of(known).name, _default(known), known.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default(known: FieldInfo) -> str:
    value = known.default
    if known.is_required():
        return "required"
    if value is None:
        return "not set"
    if kind_of(known).name == "size":
        return f"`{format_size(value)}`"
    if isinstance(value, str | Path):
        return f"`{value}`"
    return f"`{json.dumps(_plain(value))}`"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, Sequence) and not isinstance(value, str) else value


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
