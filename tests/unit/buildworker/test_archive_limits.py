import gzip
import lzma
import os
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from buildworker.archive import Limits, unpack
from buildworker.watch import Cancelled
from models.errors import Invalid
from tests.factories.archives import COMPRESSIONS, LIMITS, Room, entry, hard_link, sparse, tar, zipped

BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: gzip.compress(tar(entry("big", bytes(15_000_000)))),
    "xz": lambda: lzma.compress(tar(entry("big", bytes(15_000_000)))),
    "zstd": lambda: zstandard.compress(tar(entry("big", bytes(15_000_000)))),
    "zip": lambda: zipped(("big", bytes(15_000_000))),
    "hard links": lambda: tar(entry("big", bytes(3_000_000)), *[hard_link(f"l{number}", "big") for number in range(9)]),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_stops_at_the_limit(room: Room, bomb: Callable[[], bytes]) -> None:
    assert room.refuses(bomb()) == "the archive unpacks to more than the limit of 10000000 bytes"
    assert sum(file.stat().st_blocks * 512 for file in room.into.rglob("*")) <= 11_000_000


def test_a_sparse_file_gets_its_holes_back(room: Room) -> None:
    room.unpack(sparse([(1000, 5), (3000, 0)], 3000, b"hello"))
    assert room.tree() == {"holes": bytes(1000) + b"hello" + bytes(1995)}


def test_the_holes_of_a_sparse_file_count(room: Room) -> None:
    assert "limit of 10000000 bytes" in room.refuses(sparse([(0, 5)], 8_000_000_000, b"hello"))


@pytest.mark.parametrize("pieces", [[(1000, 5), (0, 5)], [(0, 600), (10, 5)], [(0, 5), (9000, 5)]])
def test_a_sparse_file_with_a_map_that_makes_no_sense_is_refused(room: Room, pieces: list[tuple[int, int]]) -> None:
    assert "'holes' is broken" in room.refuses(sparse(pieces, 3000, bytes(10)))


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    info, _ = entry("x", records, kind=kind)
    return info.tobuf() + records + bytes(-len(records) % 512)


@pytest.mark.parametrize(
    "data",
    [
        pax(b"100000 comment=" + b"x" * 99_984 + b"\n") + tar(entry("a")),
        gzip.compress(entry("x", kind=tarfile.XHDTYPE)[0].tobuf()[:124] + b"77777777777\0" + bytes(376)),
        b"".join([pax(b"11 a=bcdef\n")] * 200) + tar(entry("a")),
        entry("x", b"x" * 200_000, kind=tarfile.GNUTYPE_LONGNAME)[0].tobuf() + b"x" * 200_192,
    ],
    ids=["long record", "absurd size", "many headers", "long name"],
)
def test_headers_are_limited(room: Room, data: bytes) -> None:
    assert "headers" in room.refuses(data) or "not an archive" in room.refuses(data)


def test_global_headers_do_not_pile_up(room: Room) -> None:
    record = b"30011 %06d=" + b"x" * 29_997 + b"\n"
    assert "headers" in room.refuses(
        b"".join(pax(record % number, tarfile.XGLTYPE) + tar(entry(f"f{number}"))[:512] for number in range(5))
        + bytes(1024)
    )


def test_an_archive_is_only_so_deep(room: Room) -> None:
    room.unpack(tar(entry("a/" * 127 + "f", b"x")), Limits(1000, 1000))
    assert "lies deeper than the 128 folders allowed" in room.refuses(tar(entry("a/" * 1020 + "f")))


@pytest.mark.parametrize("record", [b"13 size=-500\n", b"20 size=99999999999\n", b"17 mtime=nonsense\n"])
def test_a_header_that_lies_is_not_believed(room: Room, record: bytes) -> None:
    data = pax(record) + tar(entry("a", b"x" * 600), entry("b"))
    with suppress(Invalid):
        room.unpack(data)
    room.check()


@pytest.mark.parametrize("mtime", [b"nan", b"inf", b"-5", b"1e300"])
def test_a_time_that_makes_no_sense_becomes_the_beginning_of_time(room: Room, mtime: bytes) -> None:
    body = b"mtime=" + mtime + b"\n"
    room.unpack(pax(b"%d %s" % (len(body) + 3, body)) + tar(entry("a")))
    assert (room.into / "a").stat().st_mtime == 0


@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS.keys())
def test_an_archive_that_breaks_off_is_refused(room: Room, compress: Callable[[bytes], bytes]) -> None:
    data = compress(tar(entry("a", os.urandom(300_000)), entry("b", os.urandom(300_000))))
    assert "broken" in room.refuses(data[:400_000])


def test_a_tar_without_its_end_is_refused(room: Room) -> None:
    assert room.refuses(tar(entry("a"), entry("b"))[:1024]) == "the archive is broken or incomplete"


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_a_wrong_checksum_is_noticed(room: Room, name: str) -> None:
    data = bytearray(COMPRESSIONS[name](tar(entry("a", b"hello" * 100))))
    data[-6 if name == "gzip" else -12] ^= 1
    assert "broken" in room.refuses(bytes(data))


def test_a_damaged_header_in_the_middle_is_no_end(room: Room) -> None:
    data = bytearray(tar(entry("a", b"x"), entry("b", b"x"), entry("c", b"x")))
    data[1024:1030] = b"\xff" * 6
    assert "broken" in room.refuses(bytes(data))


def test_a_zip_with_a_wrong_checksum_is_refused(room: Room) -> None:
    data = bytearray(zipped(("a", b"hello"), method=zipfile.ZIP_STORED))
    data[data.index(b"hello")] ^= 1
    assert "'a' is broken" in room.refuses(bytes(data))


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>Sign in</html>", b"\x7fELF" + bytes(600), gzip.compress(b"just text"), os.urandom(2000), b"BZh9xx"],
    ids=["empty", "page", "program", "compressed text", "noise", "broken bzip2"],
)
def test_what_is_no_archive_is_told(room: Room, data: bytes) -> None:
    message = room.refuses(data)
    assert "is not an archive that can be read" in message or "broken" in message


@pytest.mark.parametrize("data", [tar(), zipped(), gzip.compress(tar())], ids=["tar", "zip", "tar.gz"])
def test_an_empty_archive_is_told(room: Room, data: bytes) -> None:
    assert room.refuses(data) == "the archive is empty"


def test_an_xz_file_that_wants_much_memory_is_refused(room: Room) -> None:
    # A header that asks for a dictionary of 512 MiB, by hand: the encoder would need gigabytes to write it.
    block = bytes([2, 0, 0x21, 1, 34]) + bytes(3)
    data = b"\xfd7zXZ\x00\x00\x04" + zlib.crc32(b"\x00\x04").to_bytes(4, "little")
    data += block + zlib.crc32(block).to_bytes(4, "little") + bytes(1000)
    assert "broken" in room.refuses(data)


def test_time_is_limited(room: Room) -> None:
    limits = Limits(max_bytes=1 << 40, max_entries=100, max_seconds=0.2)
    begun = time.monotonic()
    assert "longer than 0.2 seconds" in room.refuses(sparse([(0, 5)], 8_000_000_000, b"hello"), limits)
    assert time.monotonic() - begun < 2


def test_a_cancel_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(tar(entry("a", b"x")))
    (tmp_path / "in").mkdir()
    with pytest.raises(Cancelled):
        unpack(tmp_path / "archive", tmp_path / "in", LIMITS, cancelled=lambda: True)


def test_a_message_shows_a_name_without_its_control_characters(room: Room) -> None:
    assert room.refuses(tar(entry("/\x1b[31mred\n"))) == "the archive's entry '/\\x1b[31mred\\n' has an absolute name"
