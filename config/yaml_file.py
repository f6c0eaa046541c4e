"""Reading a YAML file into keys that remember their lines, refusing what YAML would silently let pass."""

import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import yaml

from config.problems import ConfigError, Given, Path, Problem

_NULL = "tag:yaml.org,2002:null"
_EXAMPLE = "SERVER_HOSTNAME: registry.example.com"


def read_yaml(path: FilePath) -> dict[str, Given]:
    """The top-level keys of the file; ConfigError if it cannot be read, is no mapping, or repeats a key."""
    source = str(path)
    text = _read(path)
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None or root.tag == _NULL:
            return {}
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError([Problem("", root.start_mark.line + 1, source, f"expected keys such as {_EXAMPLE}")])
        lines: dict[Path, int] = {}
        if problems := list(_walk(root, (), source, lines)):
            raise ConfigError(problems)
        return _construct(loader, root, source, lines)
    except yaml.YAMLError as error:
        raise ConfigError([_syntax(error, source)]) from None


def parse_yaml(text: str) -> Any:
    """The value of `text`, as environment variables hold it; ValueError without details, for they may be secret."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError("not YAML") from None


def _read(path: FilePath) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        message = f"cannot be read: {error.strerror or type(error).__name__}"
    except UnicodeDecodeError:
        message = "cannot be read: it is not UTF-8 text"
    raise ConfigError([Problem("", None, str(path), message)])


def _walk(node: yaml.Node, path: Path, source: str, lines: dict[Path, int]) -> Iterator[Problem]:
    """Note the line of every key and item below `node`; a problem for each key that stands twice in one mapping."""
    if len(path) > 100:
        raise ConfigError([Problem("", node.start_mark.line + 1, source, "is nested too deeply")])
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value) if isinstance(key, yaml.ScalarNode) else "")
            line = key.start_mark.line + 1
            if here in lines and key.tag != "tag:yaml.org,2002:merge":
                name = ".".join(map(str, here))
                yield Problem(name, line, source, f"stands twice, first in line {lines[here]}; keep one")
                continue
            lines[here] = line
            yield from _walk(value, here, source, lines)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            lines[*path, position] = value.start_mark.line + 1
            yield from _walk(value, (*path, position), source, lines)


def _construct(
    loader: yaml.SafeLoader, root: yaml.MappingNode, source: str, lines: dict[Path, int]
) -> dict[str, Given]:
    loader.flatten_mapping(root)
    given: dict[str, Given] = {}
    problems: list[Problem] = []
    for key_node, value_node in root.value:
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
        line = key_node.start_mark.line + 1
        try:
            value = loader.construct_object(value_node, deep=True)
        except ValueError:
            # A text that looks like a date and is none, such as 2024-99-99.
            problems.append(Problem(key, line, source, "is not a valid date or number; put text into quotes"))
            continue
        given[key] = Given(value, source, key, lines)
    if problems:
        raise ConfigError(problems)
    return given


def _syntax(error: yaml.YAMLError, source: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    # YAML quotes what it stumbled over, which may be an unquoted password.
    reason = re.sub(
        r"'(?!<)[^'\s]{2,}'", "…", getattr(error, "problem", None) or "it has characters that YAML does not allow"
    )
    return Problem("", mark.line + 1 if mark else None, source, f"is not valid YAML: {reason}")
