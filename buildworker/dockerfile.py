"""Finding the Dockerfile in an unpacked archive, and reading in it what a build will need."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildworker.tree import parts_of, shown
from models.errors import Invalid

_MAX_BYTES = 1024 * 1024
_MAX_CANDIDATES = 10
_MAX_VALUE = 4096  # characters, of a variable and of an image's name
_CANDIDATE = re.compile(r"(Dockerfile|Containerfile)([._-].*)?|.+\.(dockerfile|containerfile)", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*([A-Za-z]+)\s*=\s*(\S.*)")
_VARIABLE = re.compile(r"\\\$|\$(?:\{(\w+)(?:(:?[-+])([^}]*))?\}|(\w+))", re.ASCII)
_ASSIGNMENT = re.compile(r"""([A-Za-z_]\w*)(?:=("[^"]*"|'[^']*'|\S*))?""", re.ASCII)
_HEREDOC = re.compile(r"""\s\d*<<(-?)(["']?)([A-Za-z_]\w*)\2(?=\s|$)""", re.ASCII)
_MOUNT = re.compile(r"(?:--\S+\s+)*--mount=")
_WITH_HEREDOCS = {"RUN", "COPY", "ADD"}


@dataclass(frozen=True)
class Source:
    """What a build is made from: absolute, real paths, and the Dockerfile's text."""

    context: Path
    dockerfile: Path
    text: str


@dataclass(frozen=True)
class Instruction:
    keyword: str
    rest: str


def locate(tree: Path, dockerfile_path: str, context: str) -> Source:
    """The Dockerfile and the context in the unpacked archive `tree`; both paths are relative to it, or begin with `/`.

    Where the Dockerfile is not there and exactly one top-level folder has it, that folder stands for the archive: git
    forges put one around everything. `Invalid` when something is missing or a link leads out of the archive.
    """
    root = find_root(tree, dockerfile_path)
    dockerfile = _inside(root, dockerfile_path, "dockerfile_path")
    if dockerfile is None or not dockerfile.is_file():
        raise Invalid(f"Dockerfile {shown(dockerfile_path)} not found in the archive; {_candidates(tree)}")
    folder = _inside(root, context, "context")
    if folder is None or not folder.is_dir():
        raise Invalid(f"context {shown(context)} is not a folder of the archive")
    if dockerfile.stat().st_size > _MAX_BYTES:
        raise Invalid(f"Dockerfile {shown(dockerfile_path)} is larger than {_MAX_BYTES} bytes")
    return Source(folder, dockerfile, dockerfile.read_text(encoding="utf-8-sig", errors="replace"))


def find_root(tree: Path, dockerfile_path: str) -> Path:
    """The folder that paths in the archive are relative to: see `locate`."""
    if _has(tree, dockerfile_path):
        return tree
    folders = (entry for entry in sorted(tree.iterdir()) if entry.is_dir() and not entry.is_symlink())
    having = [folder for folder in folders if _has(folder, dockerfile_path)]
    return having[0] if len(having) == 1 else tree


def is_dockerfile(name: str) -> bool:
    """Whether people call Dockerfiles so."""
    return _CANDIDATE.fullmatch(name) is not None


def base_images(text: str, args: Mapping[str, str] | None = None, target: str | None = None) -> list[str]:
    """The images that the engine must have for this Dockerfile (FROM and COPY --from), without `scratch` and stages.

    `args`: the build's arguments. `target`: the stage that is wanted; what only later ones need is left out.
    """
    variables = _Variables(args or {})
    stages: list[str] = []
    images: dict[str, None] = {}
    wanted = (target or "").lower()
    for instruction in instructions(text):
        if instruction.keyword == "ARG" and not stages:
            variables.declare(instruction.rest)
        elif instruction.keyword == "FROM":
            if wanted and stages and wanted in (stages[-1], str(len(stages) - 1)):
                break
            image, stage = _from(instruction.rest, variables)
            if image and image.lower() not in {*stages, "scratch"}:
                images[image] = None
            stages.append(stage.lower())
        elif instruction.keyword == "COPY":
            copied = re.match(r"(?:--\S+\s+)*?--from=(\S+)", instruction.rest)
            if copied and not copied[1].isdigit() and copied[1].lower() not in stages:
                images[_limited(copied[1], "COPY --from")] = None
    return list(images)


def uses_mounts(text: str) -> bool:
    """Whether it has a `RUN --mount`."""
    runs = (instruction.rest for instruction in instructions(text) if instruction.keyword == "RUN")
    return any(_MOUNT.match(rest) for rest in runs)


def step_count(text: str) -> int:
    """How many steps the engine will announce, or nearly: a base image may add some of its own."""
    return sum(1 for _ in instructions(text))


def instructions(text: str) -> Iterator[Instruction]:
    """The Dockerfile's instructions, with their lines joined and without comments and here-documents."""
    lines = iter(re.split(r"\r?\n", text))
    escape = _escape(text)
    for line in lines:
        joined = _joined(line.strip(), lines, escape)
        if not joined:
            continue
        keyword, *rest = joined.split(maxsplit=1)
        instruction = Instruction(keyword.upper(), rest[0] if rest else "")
        if instruction.keyword in _WITH_HEREDOCS:
            for dash, _, name in _HEREDOC.findall(f" {instruction.rest}"):
                _skip_heredoc(lines, name, tabs=bool(dash))
        yield instruction


def _escape(text: str) -> str:
    """The character that continues a line; a directive at the very top can change it."""
    for line in re.split(r"\r?\n", text):
        directive = _DIRECTIVE.fullmatch(line.strip())
        if directive is None:
            break
        if directive[1].lower() == "escape":
            return directive[2].strip()
    return "\\"


def _joined(line: str, lines: Iterator[str], escape: str) -> str:
    """`line` and those that continue it; comments and empty lines between them do not count."""
    if line.startswith("#"):
        return ""
    joined = ""
    while line.endswith(escape):
        joined += line.removesuffix(escape)
        line = next((text for text in map(str.rstrip, lines) if text and not text.lstrip().startswith("#")), "")
    return (joined + line).strip()


def _skip_heredoc(lines: Iterator[str], name: str, *, tabs: bool) -> None:
    for line in lines:
        if (line.lstrip("\t") if tabs else line) == name:
            return


def _from(rest: str, variables: "_Variables") -> tuple[str, str]:
    """The image of a FROM and the name of its stage; "" for what is not there."""
    words = [word for word in rest.split() if not word.startswith("--")]
    image = variables.expanded(words[0], "FROM") if words else ""
    named = len(words) == 3 and words[1].lower() == "as"
    return image, words[2] if named else ""


class _Variables:
    """What ARG declares before the first FROM. Limited each and in all: values that contain others could double."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self._values: dict[str, str] = {}
        self._room = _MAX_BYTES

    def declare(self, rest: str) -> None:
        for name, value in _ASSIGNMENT.findall(rest):
            given = self._given.get(name)
            subject = f"ARG {name[:100]}"
            self._values[name] = (
                self.expanded(value.strip("\"'"), subject) if given is None else _limited(given, subject)
            )

    def expanded(self, text: str, subject: str) -> str:
        """The text with its variables replaced; `Invalid`, which begins with `subject`, when it is too long."""
        # Checked before as well: a text has many variables then, but not so many that what becomes of it is huge.
        value = _limited(_VARIABLE.sub(self._value, _limited(text, subject)), subject)
        self._room -= len(value)
        if self._room < 0:
            raise Invalid(f"the Dockerfile's variables have more than {_MAX_BYTES} characters in all")
        return value

    def _value(self, match: re.Match[str]) -> str:
        if match[0] == "\\$":
            return "$"
        known = self._values.get(match[1] or match[4])
        operator, word = match[2] or "", match[3] or ""
        has_value = known if operator.startswith(":") else known is not None
        if operator.endswith("-"):
            return known or "" if has_value else word
        if operator.endswith("+"):
            return word if has_value else ""
        return known or ""


def _limited(text: str, subject: str) -> str:
    if len(text) > _MAX_VALUE:
        raise Invalid(f"{subject}: the value is longer than the {_MAX_VALUE} characters allowed")
    return text


def _has(folder: Path, path: str) -> bool:
    found = _inside(folder, path, "dockerfile_path")
    return found is not None and found.is_file()


def _inside(root: Path, path: str, subject: str) -> Path | None:
    """The real path of what `path` names, None when there is nothing; a link may lead to anywhere in the root."""
    named = root.joinpath(*_parts(path, subject))
    try:
        named.stat()  # the kernel refuses a long chain of links before `resolve` walks it
        real = named.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    if not real.is_relative_to(root.resolve()):
        raise Invalid(f"{subject}: {shown(path)} is a link that leads out of the archive")
    return real


def _parts(path: str, subject: str) -> tuple[str, ...]:
    try:
        return parts_of(path.lstrip("/"))
    except Invalid as error:
        raise Invalid(f"{subject}: {shown(path)} is not the path of something in the archive") from error


def _candidates(tree: Path) -> str:
    found: list[str] = []
    for folder, folders, files in os.walk(tree):
        folders.sort()
        relative = Path(folder).relative_to(tree)
        found += [str(relative / name) for name in sorted(files) if _CANDIDATE.fullmatch(name)]
        if len(found) > _MAX_CANDIDATES:
            break
    if not found:
        return "it has no file of such a name"
    listed = ", ".join(shown(name) for name in found[:_MAX_CANDIDATES])
    return f"it has: {listed}, …" if len(found) > _MAX_CANDIDATES else f"it has: {listed}"
