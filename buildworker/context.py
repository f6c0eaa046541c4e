"""A build's context as a tar stream, made while it is sent: never whole in memory, nor on the disk a second time."""

import os
import secrets
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from buildworker.dockerignore import MAX_BYTES, Ignored
from models.errors import Invalid

_IGNORE = ".dockerignore"
_READ_ONLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 128 * 1024


@dataclass(frozen=True)
class Context:
    """`stream` is the tar, `dockerfile` the name of the Dockerfile in it."""

    stream: Iterator[bytes]
    dockerfile: str


@dataclass(frozen=True)
class _Found:
    """Something to send: its path in the context and on this machine."""

    name: str
    path: str
    status: os.stat_result


def open_context(folder: Path, dockerfile: Path) -> Context:
    """The files in `folder` but those that its .dockerignore leaves out.

    `dockerfile`, an existing file, may lie outside `folder`; it is sent under a name that no image will contain then.
    """
    folder = folder.resolve()
    dockerfile = dockerfile.resolve()
    ignore = _ignore_file(folder)
    extra: dict[str, bytes] = {}
    if dockerfile.is_relative_to(folder):
        name = str(dockerfile.relative_to(folder))
    else:
        name = f".dockerfile.{secrets.token_hex(16)}"
        # The engine applies .dockerignore as well, after it has read the Dockerfile.
        hidden = ignore or f"{_IGNORE}\n"
        extra = {name: dockerfile.read_bytes(), _IGNORE: f"{hidden.rstrip()}\n{name}\n".encode()}
    return Context(_chunked(_tar(folder, Ignored(ignore), extra, name)), name)


def _ignore_file(folder: Path) -> str:
    path = folder / _IGNORE
    if not path.is_file() or path.is_symlink():
        return ""
    if path.stat().st_size > MAX_BYTES:
        raise Invalid(f"{_IGNORE} is larger than {MAX_BYTES} bytes")
    return path.read_text(encoding="utf-8", errors="replace")


def _tar(folder: Path, ignored: Ignored, extra: dict[str, bytes], dockerfile: str) -> Iterator[bytes]:
    for found in _files(folder, ignored, {_IGNORE, dockerfile}):
        if found.name not in extra:
            yield from _member(found)
    for name, content in extra.items():
        info = tarfile.TarInfo(name)
        info.size = len(content)
        yield _header(info)
        yield content + bytes(-len(content) % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _files(root: Path, ignored: Ignored, always: set[str]) -> Iterator[_Found]:
    """All that is to be sent, folders before what they contain. The engine needs `always`, ignored or not."""
    pending: list[tuple[tuple[str, ...], tuple[bool, ...]]] = [((), ignored.nothing)]
    while pending:
        above, matches = pending.pop()
        with os.scandir(root.joinpath(*above)) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
        for entry in inside:
            path = (*above, entry.name)
            name = "/".join(path)
            own = ignored.match(path, matches)
            out = ignored.leaves_out(own)
            if not out or name in always:
                yield _Found(name, entry.path, entry.stat(follow_symlinks=False))
            leads_on = not out or ignored.may_keep_below(path) or any(kept.startswith(f"{name}/") for kept in always)
            if entry.is_dir(follow_symlinks=False) and leads_on:
                pending.append((path, own))


def _member(found: _Found) -> Iterator[bytes]:
    info = tarfile.TarInfo(found.name)
    info.mode = stat.S_IMODE(found.status.st_mode) & 0o777
    info.mtime = max(int(found.status.st_mtime), 0)
    if stat.S_ISDIR(found.status.st_mode):
        info.type = tarfile.DIRTYPE
        yield _header(info)
    elif stat.S_ISLNK(found.status.st_mode):
        info.type = tarfile.SYMTYPE
        info.linkname = os.readlink(found.path)  # noqa: PTH115 - Path would write the target another way
        yield _header(info)
    elif stat.S_ISREG(found.status.st_mode):
        info.size = found.status.st_size
        yield _header(info)
        yield from _content(found)


def _content(found: _Found) -> Iterator[bytes]:
    file = os.open(found.path, _READ_ONLY)
    try:
        left = found.status.st_size
        while left:
            block = os.read(file, min(left, _CHUNK))
            if not block:
                raise RuntimeError(f"{found.name} became shorter while it was sent")
            left -= len(block)
            yield block
    finally:
        os.close(file)
    yield bytes(-found.status.st_size % tarfile.BLOCKSIZE)


def _header(info: tarfile.TarInfo) -> bytes:
    # GNU's format keeps names that are not UTF-8 as the bytes they are.
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces: each is a write to the engine's socket."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        if len(buffer) >= _CHUNK:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)
