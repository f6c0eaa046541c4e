"""However a client slices an upload, its parts are such as S3 takes."""

from itertools import pairwise
from pathlib import Path

import pytest

from storage.driver import StorageError, StorageFull
from storage.parts import MIB, MOST_IN_MEMORY, MOST_PARTS, PARTS_PER_STEP, SHORT_PARTS, SMALLEST, Part, part_size, split
from tests.factories.streams import content, pieces, zeros

TIB = 1 << 40


def test_a_terabyte_fits_whole() -> None:
    assert sum(part_size(number) for number in range(1, MOST_PARTS + 1)) == 1_680_000 * MIB > TIB


def test_a_terabyte_fits_when_every_short_part_has_been_used() -> None:
    assert sum(part_size(number) for number in range(SHORT_PARTS + 1, MOST_PARTS + 1)) == 1_240_000 * MIB > TIB


def test_parts_grow_from_16_to_320_mib() -> None:
    sizes = [part_size(number) for number in range(1, MOST_PARTS + 1)]
    assert sizes[0] == sizes[499] == 16 * MIB
    assert sizes[500] == 32 * MIB
    assert sizes[-1] == 320 * MIB < 5 << 30
    assert all(before <= after for before, after in pairwise(sizes))
    assert min(sizes) >= SMALLEST


def test_more_than_10_000_parts_are_refused() -> None:
    with pytest.raises(StorageError, match="larger than the"):
        part_size(MOST_PARTS + 1)


def test_splits_into_full_parts_and_a_rest() -> None:
    data = content(40 * MIB + 1)
    bodies = []
    for part in split(pieces(data, [7, 20 * MIB, 50 * MIB]), 1):
        with part:
            assert isinstance(part.body, bytearray)
            bodies.append(bytes(part.body))
    assert [len(body) for body in bodies] == [16 * MIB, 16 * MIB, 8 * MIB + 1]
    assert b"".join(bodies) == data


def test_what_many_clients_send_at_once_does_not_fill_the_memory() -> None:
    parts = [Part(1) for _ in range(MOST_IN_MEMORY + 2)]
    for part in parts:
        part.take(memoryview(b"bytes"))
    assert [isinstance(part.body, bytearray) for part in parts] == [True] * MOST_IN_MEMORY + [False] * 2
    last = parts[-1].body
    assert not isinstance(last, bytearray)
    assert last.read() == b"bytes"
    for part in [*parts, *parts]:  # a second time does no harm
        part.close()
    with Part(1) as next_one:
        assert isinstance(next_one.body, bytearray)


def test_yields_no_part_without_bytes() -> None:
    assert list(split([], 1)) == []
    assert list(split([b"", b""], 1)) == []


def test_keeps_larger_parts_in_a_file() -> None:
    numbers = []
    for part in split(zeros(48 * MIB), 500):
        with part:
            numbers.append((part.number, part.size, part.full, isinstance(part.body, bytearray)))
            if not isinstance(part.body, bytearray):
                assert len(part.body.read()) == 32 * MIB
    assert numbers == [(500, 16 * MIB, True, True), (501, 32 * MIB, True, False)]


@pytest.mark.parametrize(
    ("number", "size", "alone"),
    [(1, SMALLEST - 1, False), (1, SMALLEST, True), (SHORT_PARTS, SMALLEST, True), (SHORT_PARTS + 1, SMALLEST, False)],
)
def test_a_rest_is_a_part_if_s3_takes_it_and_numbers_remain(number: int, size: int, alone: bool) -> None:
    with Part(number) as part:
        part.take(memoryview(bytes(size)))
        assert part.stands_alone is alone


def test_a_full_disk_of_temporary_files_is_a_full_store() -> None:
    with Part(PARTS_PER_STEP + 1) as part:
        assert part._file is not None
        part._file.close()
        part._file = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115 - the part closes it
        with pytest.raises(StorageFull, match="temporary"):
            part.take(memoryview(bytes(1000)))
