"""Archives of every kind, and a room to unpack them in."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from buildworker.archive import Limits, Unpacked, unpack
from models.errors import Invalid

LIMITS = Limits(max_bytes=10_000_000, max_entries=100)


def entry(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, to: str = "", mode: int = 0o644
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.mode, info.mtime = len(content), kind, to, mode, 1_600_000_000
    return info, content


def tar(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def link(name: str, to: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, kind=tarfile.SYMTYPE, to=to)


def hard_link(name: str, to: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, kind=tarfile.LNKTYPE, to=to)


def folder(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, kind=tarfile.DIRTYPE, mode=mode)


def sparse(pieces: list[tuple[int, int]], size: int, data: bytes) -> bytes:
    """A file in GNU tar's old sparse format."""
    info, _ = entry("holes", data)
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    for index, (offset, length) in enumerate(pieces):
        header[386 + index * 24 : 410 + index * 24] = b"%011o\0%011o\0" % (offset, length)
    header[483:495] = b"%011o\0" % size
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data + bytes(-len(data) % 512) + bytes(1024)


class Room:
    """A folder to unpack into, beside a file that no archive may touch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.into = path / "in"
        self.into.mkdir()
        self.outside = path / "outside"
        self.outside.write_text("untouched")

    def unpack(self, data: bytes, limits: Limits = LIMITS) -> Unpacked:
        archive = self.path / "archive"
        archive.write_bytes(data)
        return unpack(archive, self.into, limits)

    def refuses(self, data: bytes, limits: Limits = LIMITS) -> str:
        """The message; nothing outside has changed."""
        with pytest.raises(Invalid) as refused:
            self.unpack(data, limits)
        self.check()
        return refused.value.detail

    def check(self) -> None:
        assert self.outside.read_text() == "untouched"
        assert {item.name for item in self.path.iterdir()} == {"in", "outside", "archive"}

    def tree(self) -> dict[str, bytes | str]:
        """Content of each file, target of each link."""
        files = (item for item in self.into.rglob("*") if item.is_symlink() or item.is_file())
        return {
            str(item.relative_to(self.into)): _target(item) if item.is_symlink() else item.read_bytes()
            for item in files
        }


def _target(item: Path) -> str:
    return os.readlink(item)  # noqa: PTH115 - Path would write the target another way


def zipped(*entries: tuple[str, bytes], mode: int = stat.S_IFREG | 0o644, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name, (2020, 9, 13, 12, 26, 40))
            info.external_attr = mode << 16
            info.compress_type = method
            archive.writestr(info, content)
    return out.getvalue()


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip in two members": lambda data: gzip.compress(data[:700]) + gzip.compress(data[700:]),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "xz in two streams": lambda data: lzma.compress(data[:700]) + bytes(4) + lzma.compress(data[700:]),
    "zstd": zstandard.compress,
    "zstd in two frames": lambda data: zstandard.compress(data[:700]) + zstandard.compress(data[700:]),
}
