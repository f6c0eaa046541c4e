"""Finding repositories by a part of their name or by words of their description, among those the caller may see.

The best matches come first: the same name, then parts of names, then descriptions; among them the popular ones. What
few repositories match is looked up in the index of terms, and so found wherever it is. What many match is looked for
among the most popular public ones and the caller's own.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Select, bindparam, func, not_, select
from sqlalchemy.orm import contains_eager

from models.access import (
    Identity,
    find_namespace,
    own_namespace_ids,
    permitted_repository_ids,
    sees_everything,
    visible_repositories,
)
from models.dialect import LAST, lowered
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
            ranks |= _best(session, area, _Wanted(IN_NAME, text, most), ranks)
    if text and " " not in text:
        ranks |= _in_namespace(session, visible, text, most)
        ranks |= _of_that_name(session, visible, text, most)
    if text and len(ranks) < most:  # descriptions come after all names, and take long to look through
        for area in by_description:
            ranks = _best(session, area, _Wanted(IN_DESCRIPTION, text, most), ranks) | ranks
    return _load(session, [id_ for _, _, id_ in sorted(ranks.values())[offset:most]])


def _where_to_look(
    session: Session, caller: Identity, visible: Area, text: str
) -> tuple[Sequence[Area], Sequence[Area]]:
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


def _areas(caller: Identity) -> list[Area]:
    """What the caller sees, in parts that are each found by an index: the most popular public ones, and all others."""
    popular = _EVERYTHING.order_by(Repository.search_rank, Repository.id).limit(WINDOW)
    if sees_everything(caller):
        return [popular]
    if caller.account_id is None:
        return [popular.where(Repository.is_public)]
    private = _EVERYTHING.where(not_(Repository.is_public))
    namespaces, permitted = own_namespace_ids(caller).subquery(), permitted_repository_ids(caller).subquery()
    return [  # joined, not with OR: PostgreSQL would look at every repository
        popular.where(Repository.is_public),
        private.join(namespaces, namespaces.c.id == Repository.namespace_id),
        private.join(permitted, permitted.c.repository_id == Repository.id),
    ]


def _of_that_name(session: Session, visible: Area, text: str, most: int) -> dict[int, Rank]:
    same = visible.where(Repository.name == text).order_by(Repository.search_rank, Repository.id).limit(most)
    return {id_: (SAME_NAME, rank, id_) for id_, _, _, rank in session.execute(same)}


def _in_namespace(session: Session, visible: Area, text: str, most: int) -> dict[int, Rank]:
    name, slash, part = text.partition("/")
    namespace = find_namespace(session, name) if slash else None
    if namespace is None:
        return {}
    return _best(session, visible.where(Repository.namespace_id == namespace.id), _Wanted(IN_NAME, part, most), {})


def _best(session: Session, area: Area, wanted: _Wanted, known: Mapping[int, Rank]) -> dict[int, Rank]:
    """The best matches among what `area` selects, by their ids, unless enough that is `known` is better."""
    repository = area.subquery().c
    query = select(repository.id, repository.search_rank)
    if wanted.text:
        in_lower = lowered(session, repository.description, wanted.text)
        text = repository.name if wanted.match == IN_NAME else in_lower
        query = query.where(text.contains(wanted.text, autoescape=True))
    if len(known) >= wanted.most:
        _, worst, _ = sorted(known.values())[wanted.most - 1]
        query = query.where(repository.search_rank <= worst)
    best = query.order_by(repository.search_rank, repository.id).limit(wanted.most)
    return {id_: (wanted.match, rank, id_) for id_, rank in session.execute(best)}


def _load(session: Session, ids: list[int]) -> list[Repository]:
    """The repositories in this order."""
    query = select(Repository).join(Repository.namespace).options(contains_eager(Repository.namespace))
    found = {repository.id: repository for repository in session.scalars(query.where(Repository.id.in_(ids)))}
    return [found[id_] for id_ in ids if id_ in found]
