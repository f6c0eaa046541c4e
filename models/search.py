"""Finding repositories by a part of their name or by words of their description, among those the caller may see.

The best matches come first: the same name, then parts of names, then descriptions; among them the popular ones. What
few repositories match is looked up in the index of terms, and so found wherever it is. What many match is looked for
among the most popular public ones and the caller's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from sqlalchemy import Integer, Select, bindparam, func, not_, select
from sqlalchemy.orm import contains_eager

from models.access import (
    Identity,
    find_namespace,
    own_namespace_ids,
    permitted_repository_ids,
    sees_everything,
    visible_repositories,
)
from models.dialect import LAST, lowered, lowers_plainly
from models.session import Session
from models.tables import Repository, RepositoryTerm
from models.tables.search import LONGEST_TERM
from models.terms import words_of

LONGEST_QUERY = 255
MOST_WORDS = 4
"""How many words of a query are asked for how rare they are."""
FEW = 3000
"""How many terms are looked at one by one."""
WINDOW = 4000
"""How many of the most popular public repositories are looked through for what is common."""
SAME_NAME, IN_NAME, IN_DESCRIPTION = range(3)
Rank = tuple[int, int, int]
"""The smaller, the better: what matches, the repository's rank, its id."""
NO_RANK = 2**62
"""Worse than any repository's."""
Area = Select[int, str, str, int]
"""Repositories to look at: id, name, description, rank."""
_EVERYTHING = select(Repository.id, Repository.name, Repository.description, Repository.search_rank).where(
    Repository.state != "MARKED_FOR_DELETION"
)

_FEW_TERMS = select(func.count()).select_from(
    select(RepositoryTerm.repository_id)
    .where(RepositoryTerm.term >= bindparam("start"), RepositoryTerm.term < bindparam("end"))
    .limit(FEW + 1)
    .subquery()
)


class _Usual(NamedTuple):
    """An area that callers with a token of these scopes look at each time, so that its queries are built once."""

    which: Literal["everything", "public", "own", "permitted"]
    scopes: frozenset[str] | None


class _Wanted(NamedTuple):
    """`match`: whether the text is to be in names or in descriptions. `most`: how many of the best count at most."""

    match: int
    text: str
    most: int


def find_repositories(
    session: Session, caller: Identity, query: str, *, offset: int = 0, limit: int
) -> list[Repository]:
    """The best matches for the query, from the one after `offset` others, their namespaces loaded with them.

    Without a query all match. `namespace/part` also finds parts of names in the namespace of that name.
    """
    text, most = " ".join(query[:LONGEST_QUERY].lower().split()), offset + limit
    visible = _EVERYTHING.where(visible_repositories(caller, among_few=True))
    by_name, by_description = _where_to_look(session, caller, visible, text)
    ranks: dict[int, Rank] = {}
    if " " not in text:  # as names have none
        for area in by_name:
            ranks |= _best(session, caller, area, _Wanted(IN_NAME, text, most), ranks)
    if text and " " not in text:
        ranks |= _in_namespace(session, caller, visible, text, most)
        ranks |= _of_that_name(session, visible, text, most)
    if text and len(ranks) < most:  # descriptions come after all names, and take long to look through
        for area in by_description:
            ranks = _best(session, caller, area, _Wanted(IN_DESCRIPTION, text, most), ranks) | ranks
    return _load(session, [id_ for _, _, id_ in sorted(ranks.values())[offset:most]])


def _where_to_look(
    session: Session, caller: Identity, visible: Area, text: str
) -> tuple[Sequence[Area | _Usual], Sequence[Area | _Usual]]:
    """Where a name may have the text, and where a description may."""
    words = _longest_first(text)[:MOST_WORDS]
    rare = next((word for word in words if _is_rare(session, word)), None)
    if rare is not None:
        few = [visible.where(Repository.id.in_(_meant(rare)))]
        return few, few
    everywhere = _areas(caller)
    # As a part of names; descriptions are known by word.
    if text and " " not in text and text not in words and _is_rare(session, text):
        return [visible.where(Repository.id.in_(_meant(text)))], everywhere
    return everywhere, everywhere


def _longest_first(text: str) -> list[str]:
    return sorted(dict.fromkeys(words_of(text)), key=len, reverse=True)


def _is_rare(session: Session, start: str) -> bool:
    """Whether so few terms begin like this that each can be looked at."""
    start = start[:LONGEST_TERM]
    found: int = session.run(_FEW_TERMS, {"start": start, "end": start + LAST}).scalar()
    return found <= FEW


def _meant(start: str) -> Select[int]:
    """The ids of the repositories with a term that begins like this, some more than once."""
    start = start[:LONGEST_TERM]
    return select(RepositoryTerm.repository_id).where(RepositoryTerm.term >= start, RepositoryTerm.term < start + LAST)


def _areas(caller: Identity) -> list[_Usual]:
    """What the caller sees, in parts that are each found by an index: the most popular public ones, and all others."""
    if sees_everything(caller):
        return [_Usual("everything", None)]
    if caller.account_id is None:
        return [_Usual("public", None)]
    return [_Usual("public", None), _Usual("own", caller.scopes), _Usual("permitted", caller.scopes)]


def _area(usual: _Usual) -> Area:
    popular = _EVERYTHING.order_by(Repository.search_rank, Repository.id).limit(WINDOW)
    if usual.which in {"everything", "public"}:
        return popular if usual.which == "everything" else popular.where(Repository.is_public)
    private = _EVERYTHING.where(not_(Repository.is_public))
    caller: Any = bindparam("caller_id", type_=Integer)
    anybody = Identity(kind="user", account_id=caller, scopes=usual.scopes)
    # Joined, not with OR: PostgreSQL would look at every repository.
    if usual.which == "own":
        namespaces = own_namespace_ids(anybody).subquery()
        return private.join(namespaces, namespaces.c.id == Repository.namespace_id)
    permitted = permitted_repository_ids(anybody).subquery()
    return private.join(permitted, permitted.c.repository_id == Repository.id)


def _of_that_name(session: Session, visible: Area, text: str, most: int) -> dict[int, Rank]:
    same = visible.where(Repository.name == text).order_by(Repository.search_rank, Repository.id).limit(most)
    return {id_: (SAME_NAME, rank, id_) for id_, _, _, rank in session.execute(same)}


def _in_namespace(session: Session, caller: Identity, visible: Area, text: str, most: int) -> dict[int, Rank]:
    name, slash, part = text.partition("/")
    namespace = find_namespace(session, name) if slash else None
    if namespace is None:
        return {}
    inside = visible.where(Repository.namespace_id == namespace.id)
    return _best(session, caller, inside, _Wanted(IN_NAME, part, most), {})


def _best(
    session: Session, caller: Identity, area: Area | _Usual, wanted: _Wanted, known: Mapping[int, Rank]
) -> dict[int, Rank]:
    """The best matches among what `area` selects, by their ids, unless enough that is `known` is better."""
    worst = sorted(known.values())[wanted.most - 1][1] if len(known) >= wanted.most else NO_RANK
    values = {"caller_id": caller.account_id, "pattern": _pattern(wanted.text), "worst": worst, "most": wanted.most}
    plain = lowers_plainly(session, wanted.text)
    if isinstance(area, _Usual):
        rows: Iterable[Any] = session.run(_usual_query(area, wanted.match, plain=plain), values)
    else:  # has values of its own, which decide how PostgreSQL goes about it
        rows = session.execute(_query(area, wanted.match, plain=plain), values)
    return {id_: (wanted.match, rank, id_) for id_, rank in rows}


def _pattern(text: str) -> str:
    for special in "/%_":
        text = text.replace(special, f"/{special}")
    return f"%{text}%"


@lru_cache
def _usual_query(usual: _Usual, match: int, *, plain: bool) -> Select[int, int]:
    return _query(_area(usual), match, plain=plain)


def _query(area: Area, match: int, *, plain: bool) -> Select[int, int]:
    """The ids and ranks of the best that have `pattern` in their name, or description, and are not beyond `worst`."""
    repository = area.subquery().c
    text = repository.name if match == IN_NAME else lowered(repository.description, plain=plain)
    query = select(repository.id, repository.search_rank).where(
        repository.search_rank <= bindparam("worst"), text.like(bindparam("pattern"), escape="/")
    )
    return query.order_by(repository.search_rank, repository.id).limit(bindparam("most"))


def _load(session: Session, ids: list[int]) -> list[Repository]:
    """The repositories in this order."""
    query = select(Repository).join(Repository.namespace).options(contains_eager(Repository.namespace))
    found = {repository.id: repository for repository in session.scalars(query.where(Repository.id.in_(ids)))}
    return [found[id_] for id_ in ids if id_ in found]
