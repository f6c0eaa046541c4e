import pytest

from cli.pace import HURRY, SLOW, Pace, Patience

PATIENCE = Patience(seconds=10, rate=1000)


def seconds_until_given_up(pace: Pace, *, rate: int, most: int = 1000, crowded: bool = False) -> int | None:
    """How long a client of that many bytes a second is waited for; None: for as long as it takes."""
    return next((second for second in range(1, most) if not pace.note(1, rate, crowded=crowded)), None)


@pytest.mark.parametrize(("rate", "expected"), [(0, 10), (1, 11), (500, 20), (999, None), (1000, None), (10**9, None)])
def test_a_client_below_the_rate_is_given_up_once_its_patience_is_used_up(rate: int, expected: int | None) -> None:
    assert seconds_until_given_up(Pace(PATIENCE), rate=rate) == expected


def test_a_pause_is_forgiven_as_the_client_catches_up_but_saves_nothing_up() -> None:
    pace = Pace(PATIENCE)
    for _ in range(5):
        assert pace.note(9, 0)
        assert pace.note(0.1, 10**9)
    assert seconds_until_given_up(pace, rate=0) == 10


def test_time_in_which_nobody_waited_counts_for_nothing() -> None:
    pace = Pace(PATIENCE)
    assert all(pace.note(0, 1) for _ in range(1000))


def test_in_a_crowd_patience_ends_sooner() -> None:
    assert seconds_until_given_up(Pace(Patience(100, 1000)), rate=0, crowded=True) == 100 // HURRY


def test_slow_is_who_sends_little_and_only_as_long_as_it_does() -> None:
    pace = Pace(PATIENCE)
    assert not pace.slow
    pace.note(0.01, 1)
    assert not pace.slow
    pace.note(1, 1)
    assert pace.slow
    pace.note(1, SLOW * 2)
    assert not pace.slow
