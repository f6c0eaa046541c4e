"""What every storage driver must do: each case is run against memory, a local folder and a real S3 server."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from itertools import cycle

import pytest

from storage.driver import NotFound, State, StorageDriver, StorageError, UploadBusy, UploadLost
from tests.factories.streams import MIB, content, digest_of, is_there, pieces

Case = Callable[[StorageDriver], None]
CASES: list[Case] = []


def case(check: Case) -> Case:
    CASES.append(check)
    return check


def kept(state: State) -> State:
    """The state as it comes back from the database."""
    again = json.loads(json.dumps(state))
    assert again == state
    return dict(again)


def upload(storage: StorageDriver, path: str, *bodies: bytes) -> State:
    state = kept(storage.begin(path))
    for body in bodies:
        state = kept(storage.append(state, pieces(body, cycle([65536]))))
    return state


# Objects


@case
def gives_back_what_was_written(storage: StorageDriver) -> None:
    storage.write("a/b/c", b"first")
    assert storage.read("a/b/c") == b"first"
    storage.write("a/b/c", b"second, longer")
    assert storage.read("a/b/c") == b"second, longer"
    assert storage.stat("a/b/c").size == 14


@case
def takes_an_empty_object(storage: StorageDriver) -> None:
    storage.write("empty", b"")
    assert storage.read("empty") == b""
    assert storage.stat("empty").size == 0


@case
def knows_when_an_object_was_written(storage: StorageDriver) -> None:
    storage.write("dated", b"x")
    assert abs(storage.stat("dated").modified - time.time()) < 60


@case
def says_what_is_not_there(storage: StorageDriver) -> None:
    storage.write("folder/object", b"x")
    for path in ("nothing", "folder/nothing", "folder", "folder/object/below"):
        with pytest.raises(NotFound) as caught:
            storage.stat(path)
        assert caught.value.path == path
        with pytest.raises(NotFound):
            storage.read(path)
        with pytest.raises(NotFound):
            storage.open(path, start=3, stop=5)
        with pytest.raises(NotFound):
            storage.open(path, start=3, stop=3)


@case
def reads_ranges(storage: StorageDriver) -> None:
    data = content(300_000)
    storage.write("ranged", data)
    ranges: list[tuple[int, int | None]] = [
        (0, None),
        (0, 1),
        (1, 2),
        (299_999, None),
        (299_999, 300_000),
        (100, 200_000),
        (200_000, 900_000),
        (0, 300_000),
        (0, 0),
        (5, 5),
        (7, 5),
        (300_000, None),
        (300_000, 300_001),
        (400_000, 500_000),
    ]
    for start, stop in ranges:
        with storage.open("ranged", start=start, stop=stop) as stream:
            assert stream.read() == data[start:stop], (start, stop)


@case
def reads_in_steps_and_then_nothing(storage: StorageDriver) -> None:
    data = content(1000)
    storage.write("stepped", data)
    with storage.open("stepped", start=10, stop=950) as stream:
        steps = [stream.read(400), stream.read(400), stream.read(400), stream.read(400), stream.read()]
    assert steps == [data[10:410], data[410:810], data[810:950], b"", b""]


@case
def reads_an_empty_object_as_nothing(storage: StorageDriver) -> None:
    storage.write("empty", b"")
    for start, stop in ((0, None), (0, 10), (5, 10), (5, None)):
        with storage.open("empty", start=start, stop=stop) as stream:
            assert stream.read() == b""


@case
def lets_a_reader_finish_when_the_object_is_replaced(storage: StorageDriver) -> None:
    storage.write("replaced", b"old" * 10)
    with storage.open("replaced") as stream:
        begun = stream.read(3)
        storage.write("replaced", b"new" * 10)
        assert begun + stream.read() == b"old" * 10
    assert storage.read("replaced") == b"new" * 10


@case
def deletes_and_deletes_again(storage: StorageDriver) -> None:
    storage.write("x/1", b"1")
    storage.write("x/2", b"2")
    storage.delete(["x/1", "x/never", "never/was"])
    assert not is_there(storage, "x/1")
    assert storage.read("x/2") == b"2"
    storage.delete(["x/1"])
    storage.delete([])
    storage.write("x/1", b"again")
    assert storage.read("x/1") == b"again"


@case
def deletes_many_at_once(storage: StorageDriver) -> None:
    paths = [f"many/{number:04}" for number in range(1200)]
    for path in paths:
        storage.write(path, b"x")
    storage.write("many/kept", b"x")
    assert sum(1 for _ in storage.list("many")) == 1201
    storage.delete(iter(paths))
    assert [path for path, _ in storage.list("many")] == ["many/kept"]


@case
def lists_what_is_published_below_a_folder(storage: StorageDriver) -> None:
    sizes = {"l/a": 1, "l/b/c": 2, "l/b/d/e": 3, "lx/f": 4, "top": 5}
    for path, size in sizes.items():
        storage.write(path, b"x" * size)
    pending = upload(storage, "l/pending", b"not yet")
    assert {path: stat.size for path, stat in storage.list("l")} == {"l/a": 1, "l/b/c": 2, "l/b/d/e": 3}
    assert {path: stat.size for path, stat in storage.list("l/b")} == {"l/b/c": 2, "l/b/d/e": 3}
    assert {path: stat.size for path, stat in storage.list("")} == sizes
    assert list(storage.list("absent")) == []
    assert all(abs(stat.modified - time.time()) < 60 for _, stat in storage.list("l"))
    storage.abort(pending)


@case
def refuses_paths_that_could_leave_the_store(storage: StorageDriver) -> None:
    for path in ("", "/etc/passwd", "..", "a/../../b", "a//b", "a/", "./a", "a/./b", "a\0b", "uploads/x", "uploads"):
        for use in (storage.read, storage.open, storage.stat, storage.begin):
            with pytest.raises(ValueError, match="not the path"):
                use(path)
        with pytest.raises(ValueError, match="not the path"):
            storage.write(path, b"")
        with pytest.raises(ValueError, match="not the path"):
            storage.delete([path])
        if path:
            with pytest.raises(ValueError, match="not the path"):
                list(storage.list(path))


@case
def answers_a_ping_and_leaves_nothing(storage: StorageDriver) -> None:
    storage.ping()
    assert list(storage.list("")) == []


# Uploads


@case
def publishes_at_commit_and_not_before(storage: StorageDriver) -> None:
    state = upload(storage, "blobs/one", b"hello, ", b"world")
    assert not is_there(storage, "blobs/one")
    assert list(storage.list("")) == []
    storage.commit(state)
    assert storage.read("blobs/one") == b"hello, world"
    assert [path for path, _ in storage.list("")] == ["blobs/one"]


@case
def replaces_what_was_published_before(storage: StorageDriver) -> None:
    storage.write("blobs/one", b"old")
    state = upload(storage, "blobs/one", b"newer")
    assert storage.read("blobs/one") == b"old"
    storage.commit(state)
    assert storage.read("blobs/one") == b"newer"


@case
def takes_an_empty_upload(storage: StorageDriver) -> None:
    state = upload(storage, "blobs/none")
    state = kept(storage.append(state, []))
    state = kept(storage.append(state, [b"", b""]))
    storage.commit(state)
    storage.commit(state)
    assert storage.read("blobs/none") == b""


@case
def takes_forty_megabytes_in_odd_pieces(storage: StorageDriver) -> None:
    data = content(40 * MIB + 12_345)
    sizes = cycle([1, 65_536, 3, 1_000_003, 17, 5 * MIB, 0, 4096, 16 * MIB + 1])
    state = kept(storage.append(storage.begin("blobs/odd"), pieces(data, sizes)))
    storage.commit(state)
    assert digest_of(storage, "blobs/odd") == hashlib.sha256(data).digest()


@case
def takes_exactly_one_and_two_parts(storage: StorageDriver) -> None:
    for size in (5 * MIB, 16 * MIB, 32 * MIB):
        data = content(size)
        state = upload(storage, f"blobs/{size}", data)
        storage.commit(state)
        assert digest_of(storage, f"blobs/{size}") == hashlib.sha256(data).digest()


@case
def takes_twelve_small_appends(storage: StorageDriver) -> None:
    bodies = [content((1 + number % 3) * MIB - number, number) for number in range(12)]
    state = upload(storage, "blobs/appended", *bodies)
    storage.commit(state)
    assert storage.read("blobs/appended") == b"".join(bodies)
    assert [path for path, _ in storage.list("")] == ["blobs/appended"]


@case
def takes_large_and_small_appends_in_turn(storage: StorageDriver) -> None:
    bodies = [content(size, seed) for seed, size in enumerate([7 * MIB, 10, 17 * MIB + 1, 3 * MIB, 6 * MIB, 1])]
    state = upload(storage, "blobs/mixed", *bodies)
    storage.commit(state)
    assert storage.read("blobs/mixed") == b"".join(bodies)


@case
def forgets_bytes_whose_state_was_not_kept(storage: StorageDriver) -> None:
    first = upload(storage, "blobs/stale", b"kept ")
    kept(storage.append(first, [b"lost because the request died"]))
    second = kept(storage.append(first, [b"and "]))
    kept(storage.append(second, [b"lost again"]))
    third = kept(storage.append(second, [b"done"]))
    storage.append(third, [b"lost before the commit"])
    storage.commit(third)
    assert storage.read("blobs/stale") == b"kept and done"


@case
def takes_the_same_bytes_again_after_a_request_died(storage: StorageDriver) -> None:
    head, body = content(4 * MIB, 1), content(20 * MIB, 2)
    state = upload(storage, "blobs/again", head)
    storage.append(state, pieces(body, cycle([65_536])))
    state = kept(storage.append(state, pieces(body, cycle([1_000_000]))))
    storage.commit(state)
    assert storage.read("blobs/again") == head + body


@case
def keeps_the_old_state_when_the_sender_fails(storage: StorageDriver) -> None:
    def broken() -> Iterator[bytes]:
        yield content(17 * MIB, 3)
        raise ConnectionResetError("the client hung up")

    state = upload(storage, "blobs/broken", content(MIB, 4))
    for _ in range(2):
        with pytest.raises(ConnectionResetError, match="hung up"):
            storage.append(state, broken())
    state = kept(storage.append(state, [content(2 * MIB, 5)]))
    storage.commit(state)
    assert storage.read("blobs/broken") == content(MIB, 4) + content(2 * MIB, 5)


@case
def commits_twice_without_harm(storage: StorageDriver) -> None:
    for size in (10, 6 * MIB, 18 * MIB):
        path, data = f"blobs/twice-{size}", content(size)
        state = upload(storage, path, data)
        storage.commit(state)
        storage.commit(state)
        assert storage.read(path) == data


@case
def does_not_commit_what_was_aborted(storage: StorageDriver) -> None:
    for size in (10, 6 * MIB, 18 * MIB):
        path = f"blobs/aborted-{size}"
        state = upload(storage, path, content(size))
        storage.abort(state)
        storage.abort(state)
        with pytest.raises(UploadLost):
            storage.commit(state)
        with pytest.raises(UploadLost):
            storage.append(state, [content(17 * MIB)])
        assert not is_there(storage, path)
    assert list(storage.list("")) == []


@case
def leaves_a_committed_object_when_aborted(storage: StorageDriver) -> None:
    for size in (10, 6 * MIB):
        path, data = f"blobs/both-{size}", content(size)
        state = upload(storage, path, data)
        storage.commit(state)
        storage.abort(state)
        assert storage.read(path) == data


@case
def sweeps_what_crashed_uploads_left(storage: StorageDriver) -> None:
    crashed = upload(storage, "blobs/crashed", content(6 * MIB), content(100))
    storage.begin("blobs/begun")
    storage.append(storage.begin("blobs/lost"), [content(7 * MIB)])
    alive = upload(storage, "blobs/alive", content(6 * MIB), content(100))
    published = upload(storage, "blobs/published", b"bytes")
    storage.commit(published)

    assert storage.sweep(older_than_s=3600, known=[]) == 0  # all of it is young
    assert storage.sweep(older_than_s=-60, known=[alive, published]) >= 3
    assert storage.sweep(older_than_s=-60, known=[alive]) == 0

    storage.commit(kept(storage.append(alive, [b"the end"])))
    assert storage.read("blobs/alive") == content(6 * MIB) + content(100) + b"the end"
    assert storage.read("blobs/published") == b"bytes"
    with pytest.raises(UploadLost):
        storage.commit(storage.append(crashed, [b"more"]))
    storage.abort(crashed)


@case
def never_mixes_two_requests_that_append_at_once(storage: StorageDriver) -> None:
    head, bodies = content(MIB, 6), [content(2 * MIB, 7), content(3 * MIB, 8)]
    start = upload(storage, "blobs/raced", head)
    together = threading.Barrier(2)
    ended: list[tuple[bytes, State] | StorageError] = []

    def append(body: bytes) -> None:
        together.wait()
        try:
            ended.append((body, storage.append(start, pieces(body, cycle([4096])))))
        except UploadBusy as exc:
            ended.append(exc)

    threads = [threading.Thread(target=append, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [end for end in ended if isinstance(end, tuple)]
    assert len(ended) == 2
    assert done
    body, state = done[-1]
    storage.commit(state)
    assert storage.read("blobs/raced") == head + body


@case
def keeps_uploads_to_different_paths_apart(storage: StorageDriver) -> None:
    bodies = {f"blobs/parallel-{number}": content(6 * MIB + number, number) for number in range(4)}
    threads = [
        threading.Thread(target=lambda path=path, body=body: storage.commit(upload(storage, path, body)))
        for path, body in bodies.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for path, body in bodies.items():
        assert storage.read(path) == body
