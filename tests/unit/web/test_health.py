import threading
import time
from concurrent.futures import ThreadPoolExecutor

from buildworker.scheduler import LOCK_KEY
from web.health import SCHEDULER_KEY, Checks, Unwell


def well() -> None:
    pass


def broken() -> None:
    raise ConnectionError("postgresql://user:secret@db:5432 refused")


def test_each_service_is_told_apart() -> None:
    faults = Checks({"a": well, "b": broken}).look()

    assert faults["a"] is None
    assert faults["b"] is not None


def test_reasons_name_no_addresses_and_secrets() -> None:
    def unwell() -> None:
        raise Unwell("in our own words")

    faults = Checks({"theirs": broken, "ours": unwell}).look()

    assert faults == {"theirs": "fails (ConnectionError); the log has more", "ours": "in our own words"}


def test_one_that_hangs_is_given_up_and_never_asked_twice_at_once() -> None:
    release, asked = threading.Event(), []

    def hang() -> None:
        asked.append(1)
        release.wait(5)

    checks = Checks({"slow": hang, "quick": well}, timeout_s=0.05, fresh_s=0)
    for _ in range(3):
        assert checks.look() == {"slow": "no answer within 0.05 s", "quick": None}
    assert len(asked) == 1

    release.set()
    end = time.monotonic() + 5
    while checks.look()["slow"] and time.monotonic() < end:
        time.sleep(0.01)
    assert checks.look() == {"slow": None, "quick": None}


def test_many_callers_make_one_look() -> None:
    asked = []

    def count() -> None:
        asked.append(1)
        time.sleep(0.05)

    checks = Checks({"a": count}, fresh_s=10)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: checks.look(), range(40)))

    assert results == [{"a": None}] * 40
    assert len(asked) == 1


def test_a_result_does_not_stand_for_long() -> None:
    asked: list[int] = []
    checks = Checks({"a": lambda: asked.append(1)}, fresh_s=0.02)
    checks.look()
    time.sleep(0.03)
    checks.look()

    assert len(asked) == 2


def test_a_result_that_took_long_stands_as_long_as_any_other() -> None:
    asked: list[int] = []

    def slow() -> None:
        asked.append(1)
        time.sleep(0.03)

    checks = Checks({"a": slow}, fresh_s=0.02)
    checks.look()
    checks.look()

    assert len(asked) == 1


def test_the_scheduler_is_looked_for_where_it_shows_itself() -> None:
    assert SCHEDULER_KEY == LOCK_KEY
