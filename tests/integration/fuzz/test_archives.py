"""Whatever is wrong with an archive, unpacking it ends in a refusal or in files below the folder."""

import tarfile
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import Invalid
from tests.factories.archives import Room, entry, folder, hard_link, link, sparse, tar, zipped

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
