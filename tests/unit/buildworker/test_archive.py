import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildworker.archive import Limits, Unpacked, unpack
from buildworker.watch import Cancelled
from models.errors import Invalid

Change = Callable[[tarfile.TarInfo], None]
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


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


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


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS.keys())
def test_a_tar_is_unpacked_however_it_is_compressed(room: Room, compress: Callable[[bytes], bytes], form: int) -> None:
    long = "d" * 90 + "/" + "n" * 60
    data = tar(entry("./a", b"hello"), entry("sub/b", b"x" * 5000), link("l", "sub/b"), entry(long, b"1"), form=form)
    assert room.unpack(compress(data)) == Unpacked(4, 5006)
    assert room.tree() == {"a": b"hello", "sub/b": b"x" * 5000, "l": "sub/b", long: b"1"}


def zipped(*entries: tuple[str, bytes], mode: int = stat.S_IFREG | 0o644, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name, (2020, 9, 13, 12, 26, 40))
            info.external_attr = mode << 16
            info.compress_type = method
            archive.writestr(info, content)
    return out.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_unpacked(room: Room, method: int) -> None:
    data = zipped(("top/a", b"hello"), ("top/sub/é", b"PK\x01\x02" * 1000), mode=stat.S_IFREG | 0o755, method=method)
    assert room.unpack(data) == Unpacked(2, 4005)
    assert room.tree() == {"top/a": b"hello", "top/sub/é": b"PK\x01\x02" * 1000}
    status = (room.into / "top/a").stat()
    assert (stat.S_IMODE(status.st_mode), int(status.st_mtime)) == (0o755, 1_600_000_000)


def test_a_zip_may_begin_with_its_only_link(room: Room) -> None:
    room.unpack(zipped(("l", b"sub/x"), mode=stat.S_IFLNK | 0o777))
    assert room.tree() == {"l": "sub/x"}


def test_permissions_and_times_stay_but_nothing_special_does(room: Room) -> None:
    room.unpack(
        tar(
            folder("d", 0o555),
            entry("d/run", b"", mode=0o4755),
            entry("d/none", b"", mode=0),
            entry("d/sticky", b"", mode=0o7444),
        )
    )
    modes = {item.name: stat.S_IMODE(item.stat().st_mode) for item in room.into.rglob("*")}
    assert modes == {"d": 0o755, "run": 0o755, "none": 0o600, "sticky": 0o644}
    assert {int(item.stat().st_mtime) for item in room.into.rglob("*")} == {1_600_000_000}


def test_names_that_are_not_utf8_keep_their_bytes(room: Room) -> None:
    out = io.BytesIO()
    info, content = entry(os.fsdecode(b"caf\xe9"), b"x")
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as archive:
        archive.addfile(info, io.BytesIO(content))
    room.unpack(out.getvalue())
    assert [os.fsencode(item.name) for item in room.into.iterdir()] == [b"caf\xe9"]


@pytest.mark.parametrize("name", ["/etc/passwd", "//x", "../outside", "a/../../outside", "a/..", "..", "./../outside"])
@pytest.mark.parametrize("make", [lambda name: tar(entry(name, b"bad")), lambda name: zipped((name, b"bad"))])
def test_a_name_that_leads_out_is_refused(room: Room, name: str, make: Callable[[str], bytes]) -> None:
    message = room.refuses(make(name))
    assert f"'{name}'" in message
    assert "absolute name" in message or "leads out of the archive" in message


@pytest.mark.parametrize("to", ["/etc/passwd", "../outside", "a/../../outside", "..", "a/..", "../in/x", "", "./../x"])
@pytest.mark.parametrize("make", ["tar", "zip"])
def test_a_link_that_leads_out_is_refused(room: Room, to: str, make: str) -> None:
    data = tar(link("l", to)) if make == "tar" else zipped(("l", to.encode()), mode=stat.S_IFLNK | 0o777)
    message = room.refuses(data)
    assert "'l' is a link to" in message
    assert "outside the archive" in message


@pytest.mark.parametrize("to", ["x", "./x", "d/e/x", "missing", "."])
def test_a_link_that_stays_inside_is_kept(room: Room, to: str) -> None:
    room.unpack(tar(entry("x"), link("l", to)))
    assert room.tree()["l"] == to


def test_a_link_may_climb_as_far_as_it_is_deep(room: Room) -> None:
    room.unpack(tar(link("a/b/l", "../../x"), link("a/m", "..")))
    assert room.tree() == {"a/b/l": "../../x", "a/m": ".."}


def test_a_link_may_not_climb_behind_another_link(room: Room) -> None:
    assert "outside the archive" in room.refuses(tar(folder("d"), link("d/here", ".."), link("l", "d/here/../outside")))


@pytest.mark.parametrize(
    "entries",
    [
        [link("l", "d"), folder("d"), entry("l/x", b"bad")],
        [link("l", "d"), entry("l/x", b"bad")],
        [link("l", "."), entry("l/l2/x", b"bad")],
        [entry("l", b""), entry("l/x", b"bad")],
        [link("l", "d"), folder("l/x")],
        [link("l", "d"), link("l/x", "y")],
        [link("l", "d"), entry("d/y", b""), hard_link("z", "l/y")],
    ],
)
def test_nothing_is_reached_through_a_link_or_file(room: Room, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    assert "goes through 'l', which is a link or file" in room.refuses(tar(*entries))


def test_a_later_entry_replaces_the_link_and_not_its_target(room: Room) -> None:
    room.unpack(tar(entry("x", b"old"), link("l", "x"), entry("l", b"new"), link("x2", "x"), folder("x2")))
    assert room.tree() == {"x": b"old", "l": b"new"}
    assert (room.into / "x2").is_dir()


def test_the_last_entry_of_a_name_wins(room: Room) -> None:
    room.unpack(tar(entry("a", b"1"), entry("a", b"22"), entry("./a", b"333"), folder("d"), entry("d", b"file")))
    assert room.tree() == {"a": b"333", "d": b"file"}


def test_a_folder_with_content_is_not_replaced(room: Room) -> None:
    assert "would replace a folder that is not empty" in room.refuses(tar(entry("d/x"), entry("d", b"file")))


def test_a_hard_link_becomes_a_copy(room: Room) -> None:
    assert room.unpack(tar(entry("a", b"same"), hard_link("d/b", "a"), hard_link("a", "a"))) == Unpacked(3, 12)
    assert room.tree() == {"a": b"same", "d/b": b"same"}
    assert (room.into / "a").stat().st_nlink == 1


@pytest.mark.parametrize("to", ["missing", "l", "d", ".", "a/b"])
def test_a_hard_link_needs_an_earlier_file(room: Room, to: str) -> None:
    data = tar(folder("d"), entry("target"), link("l", "target"), folder("a"), hard_link("h", to))
    assert f"'h' links to '{to}', which is no earlier file in it" in room.refuses(data)


@pytest.mark.parametrize("to", ["/etc/passwd", "../outside"])
def test_a_hard_link_may_not_lead_out(room: Room, to: str) -> None:
    assert f"'{to}'" in room.refuses(tar(hard_link("h", to)))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"])
def test_a_device_is_refused(room: Room, kind: bytes) -> None:
    assert "'dev' is " in room.refuses(tar(entry("dev", kind=kind)))


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_a_device_in_a_zip_is_refused(room: Room, kind: int) -> None:
    assert "'dev' is a device" in room.refuses(zipped(("dev", b""), mode=kind | 0o644))


def test_an_encrypted_zip_is_refused(room: Room) -> None:
    data = bytearray(zipped(("a", b"x")))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "'a' is encrypted" in room.refuses(bytes(data))


def test_an_unusual_method_is_refused(room: Room) -> None:
    assert "unusual method" in room.refuses(zipped(("a", b"x"), method=zipfile.ZIP_LZMA))


def test_a_zip_that_claims_many_entries_is_not_read(room: Room) -> None:
    data = zipped(*[(f"f{number}", b"") for number in range(200)])
    assert room.refuses(data) == "the archive has more than the 100 files and folders allowed"
    assert room.tree() == {}


@pytest.mark.parametrize("name", ["a/" * 1200 + "b", "n" * 256, "x\0y"])
def test_a_name_that_no_file_can_have_is_refused(room: Room, name: str) -> None:
    info, content = entry("placeholder", b"")
    data = tar(entry("ok")) if "\0" in name else tar(entry(name))
    if "\0" in name:
        info.pax_headers = {"path": name}
        data = tar((info, content), form=tarfile.PAX_FORMAT)
    assert "name" in room.refuses(data)


def test_folders_that_names_imply_count(room: Room) -> None:
    limits = Limits(max_bytes=1000, max_entries=10)
    assert room.refuses(tar(entry("a/b/c/d/e/f/g/h/i/j/k")), limits).endswith("10 files and folders allowed")


BOMBS: dict[str, bytes] = {
    "gzip": gzip.compress(tar(entry("big", bytes(15_000_000)))),
    "xz": lzma.compress(tar(entry("big", bytes(15_000_000)))),
    "zstd": zstandard.compress(tar(entry("big", bytes(15_000_000)))),
    "zip": zipped(("big", bytes(15_000_000))),
    "hard links": tar(entry("big", bytes(3_000_000)), *[hard_link(f"l{number}", "big") for number in range(9)]),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_stops_at_the_limit(room: Room, bomb: bytes) -> None:
    assert room.refuses(bomb) == "the archive unpacks to more than the limit of 10000000 bytes"
    assert sum(file.stat().st_blocks * 512 for file in room.into.rglob("*")) <= 11_000_000


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


SEED = tar(
    *(entry("a", b"hello" * 200), folder("d"), link("d/l", "../a"), hard_link("h", "a"), entry("d/" + "n" * 120, b"x")),
    form=tarfile.PAX_FORMAT,
)
SEEDS = [SEED, sparse([(1000, 5)], 3000, b"hello"), zipped(("a", b"hello" * 50), ("d/b", b"x"))]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.sampled_from(SEEDS),
    flips=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_whatever_is_damaged_the_answer_is_a_refusal_and_nothing_outside_changes(
    tmp_path_factory: pytest.TempPathFactory, seed: bytes, flips: list[tuple[int, int]]
) -> None:
    data = bytearray(seed)
    for position, value in flips:
        data[position % len(data)] = value
    room = Room(tmp_path_factory.mktemp("room"))
    with suppress(Invalid):
        room.unpack(bytes(data))
    room.check()
    for item in room.into.rglob("*"):
        assert item.resolve().is_relative_to(room.into)
