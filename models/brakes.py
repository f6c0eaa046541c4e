"""Slowing down who tries again and again: each failure beyond the free ones doubles the pause before the next try.

What is counted is told apart by kind and by value: a name that was tried, an address that tries. Names are counted as
they were given, and alike whether somebody has them or not. Rows are forgotten after a while without failures, and
there are never more than MOST for long, so that trying many names costs us nothing but a small table.

Who comes when a pause is over takes the next one with him, until it is known how his try went: of many who try at the
same moment, one does.
"""

import ipaddress
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, select, update

from models.errors import TooMany
from models.session import Database, Session
from models.tables import Brake
from models.tables.base import now

LONGEST_PAUSE_S = 300
FORGOTTEN_AFTER = timedelta(hours=1)
MOST = 100_000
_LOOK_EVERY = 100
"""Failures between two looks at how many rows there are, on average."""
_IPV6_SITE = 64


class Kind(NamedTuple):
    """What is counted, and how many failures cost no pause."""

    name: str
    free: int


PASSWORD = Kind("password", 3)
"""Wrong passwords for one name."""
SPRAYING = Kind("spraying", 20)
"""Names that an address has tried wrong passwords for. One name got wrong for days is only somebody's mistake."""
MAILING = Kind("mailing", 3)
"""Mails that one address was sent at anybody's wish."""
ASKING = Kind("asking", 20)
"""What somebody without an account may cause, by address."""


class Counted(NamedTuple):
    """One row's subject."""

    kind: Kind
    value: str


def site_of(ip: str | None) -> str:
    """The address, or the network that an IPv6 address shares with all others of its machine."""
    try:
        address = ipaddress.ip_address(ip or "")
    except ValueError:
        return "nowhere"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, _IPV6_SITE), strict=False))
    return str(address)


def refuse_while_waiting(session: Session, *subjects: Counted) -> dict[Counted, int]:
    """Refuse (TooMany) what comes before its pause is over; else how many failures those have that have any."""
    return {subject: row.failures for row, subject in _not_waiting(session, subjects)}


@contextmanager
def in_turn(database: Database, failures: Mapping[Counted, int]) -> Iterator[None]:
    """A try, for subjects that have these failures: nobody else tries before it is over (TooMany), if there are pauses.

    What it comes to is noted by `count` or `release`; a subject that has neither is as it was before.
    """
    paused = [subject for subject, number in failures.items() if number >= subject.kind.free]
    taken = database.apply(lambda session: _take_turns(session, paused)) if paused else []
    try:
        yield
    finally:
        if taken:
            with database.write() as session:
                _give_back(session, taken)


def count(database: Database, subject: Counted) -> bool:
    """Note a failure; whether it is the first one that is remembered."""

    def add(session: Session) -> bool:
        _forget_old_ones(session)
        return _add(session, subject)

    return database.apply(add)


def slow_down(database: Database, *subjects: Counted) -> None:
    """Count something that costs us, whatever comes of it; TooMany if it comes too often."""

    def add(session: Session) -> None:
        _forget_old_ones(session)
        for subject in subjects:
            _add(session, subject, refuse=True)

    with database.read() as session:  # so that who has to wait makes no writer wait
        refuse_while_waiting(session, *subjects)
    database.apply(add)


def release(session: Session, subject: Counted) -> None:
    """Forget the failures: it went well, or starts anew."""
    session.execute(delete(Brake).where(Brake.key.in_(_keys(session, subject))))


class _Turn(NamedTuple):
    """A pause that begins before it is known whether it has to: `since` in place of `before`."""

    key: str
    before: datetime
    since: datetime


def _not_waiting(session: Session, subjects: Collection[Counted], *, lock: bool = False) -> list[tuple[Brake, Counted]]:
    """The rows of those that have failures; TooMany if the pause of any is not over."""
    keys = {key: subject for subject in subjects for key in _keys(session, subject)}
    query = select(Brake).where(Brake.key.in_(keys), Brake.last_at > now() - FORGOTTEN_AFTER).order_by(Brake.key)
    rows = session.scalars(query.with_for_update() if lock else query).all()
    for row in rows:
        _refuse_before_its_time(row, keys[row.key].kind)
    return [(row, keys[row.key]) for row in rows]


def _take_turns(session: Session, subjects: Collection[Counted]) -> list[_Turn]:
    turns, present = [], now()
    for row, _ in _not_waiting(session, subjects, lock=True):
        turns.append(_Turn(row.key, row.last_at, present))
        row.last_at = present
    return turns


def _give_back(session: Session, turns: Collection[_Turn]) -> None:
    """Undo what was taken, unless something was counted meanwhile."""
    for turn in turns:
        unchanged = (Brake.key == turn.key, Brake.last_at == turn.since)
        session.execute(update(Brake).where(*unchanged).values(last_at=turn.before))


def _add(session: Session, subject: Counted, *, refuse: bool = False) -> bool:
    """Note a failure; whether there was none. `refuse`: not before the pause is over (TooMany)."""
    key = session.vault.fingerprint(_text(subject))
    row = session.get(Brake, key, with_for_update=True)
    if row is None:
        session.add(Brake(key=key, failures=1, last_at=now()))
        return True
    if refuse:
        _refuse_before_its_time(row, subject.kind)
    row.failures += 1
    row.last_at = now()
    return False


def _text(subject: Counted) -> str:
    return f"brake:{subject.kind.name}:{subject.value}"


def _keys(session: Session, subject: Counted) -> list[str]:
    return session.vault.fingerprints(_text(subject))


def _refuse_before_its_time(row: Brake, kind: Kind) -> None:
    if row.failures < kind.free:
        return
    pause = min(2 ** min(row.failures - kind.free, 10), LONGEST_PAUSE_S)
    left = (row.last_at + timedelta(seconds=pause) - now()).total_seconds()
    if left > 0:
        raise TooMany("Too many attempts; wait a moment and try again", retry_after=int(left) + 1)


def keep_newest(session: Session, most: int = MOST) -> None:
    """Forget all failures but the `most` newest."""
    last = session.scalar(select(Brake.last_at).order_by(Brake.last_at.desc()).offset(most).limit(1))
    if last is not None:
        session.execute(delete(Brake).where(Brake.last_at <= last))


def _forget_old_ones(session: Session) -> None:
    session.execute(delete(Brake).where(Brake.last_at <= now() - FORGOTTEN_AFTER))
    if secrets.randbelow(_LOOK_EVERY) == 0:
        keep_newest(session)
