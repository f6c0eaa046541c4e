import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable

import pytest

from buildworker.archive import Limits, Unpacked
from tests.factories.archives import COMPRESSIONS, Room, entry, folder, hard_link, link, tar, zipped


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS.keys())
def test_a_tar_is_unpacked_however_it_is_compressed(room: Room, compress: Callable[[bytes], bytes], form: int) -> None:
    long = "d" * 90 + "/" + "n" * 60
    data = tar(entry("./a", b"hello"), entry("sub/b", b"x" * 5000), link("l", "sub/b"), entry(long, b"1"), form=form)
    assert room.unpack(compress(data)) == Unpacked(4, 5006)
    assert room.tree() == {"a": b"hello", "sub/b": b"x" * 5000, "l": "sub/b", long: b"1"}


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
