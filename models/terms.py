"""The terms by which repositories are found: a name from each of its letters on, and the words of the description.

So whatever text a name contains is the beginning of a term, and finding it is one look into an index.
"""

import re
from collections.abc import Callable

from sqlalchemy import delete, exists, func, select

from models.dialect import insert_new
from models.session import Database, Session
from models.tables import Repository, RepositoryTerm
from models.tables.search import LONGEST_TERM

SHORTEST_REST = 2
"""What a name ends with is no term of its own if it is shorter."""
READ_CHARACTERS = 2000
MOST_WORDS = 100
"""How much of a description, and how many different words of it, count."""
STRETCH = 2000
"""Ids of repositories that one step looks at."""
_WORD = re.compile(r"[^\W_]+")


def terms_of(name: str, description: str) -> set[str]:
    """The terms of a repository."""
    rests = (name[start : start + LONGEST_TERM] for start in range(max(len(name) - SHORTEST_REST + 1, 1)))
    words = dict.fromkeys(words_of(description[:READ_CHARACTERS]))
    return {*rests, *(word[:LONGEST_TERM] for word in list(words)[:MOST_WORDS])}


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case; in a description they can be found from their first letter on."""
    return _WORD.findall(text.lower())


def index_repository(session: Session, repository: Repository) -> None:
    """Let the repository be found by its present name and description."""
    _write(session, [(repository.id, repository.name, repository.description)])


def index_missing(database: Database, stop: Callable[[], bool] = lambda: False) -> None:
    """Let repositories be found that have no terms: a version before this one has created them."""
    with database.read() as session:
        last = session.scalar(select(func.max(Repository.id))) or 0
    for start in range(0, last + 1, STRETCH):
        if stop():
            return
        _index_stretch(database, start)


def _index_stretch(database: Database, start: int) -> None:
    missing = select(Repository.id, Repository.name, Repository.description).where(
        Repository.id.between(start, start + STRETCH - 1),
        Repository.state != "MARKED_FOR_DELETION",
        ~exists().where(RepositoryTerm.repository_id == Repository.id),
    )
    with database.read() as session:
        if session.execute(missing.limit(1)).first() is None:
            return
    with database.write() as session:
        locked = missing.with_for_update(key_share=True, of=Repository)
        _write(session, [(id_, name, description) for id_, name, description in session.execute(locked)])


def _write(session: Session, repositories: list[tuple[int, str, str]]) -> None:
    ids = [repository_id for repository_id, _, _ in repositories]
    session.execute(delete(RepositoryTerm).where(RepositoryTerm.repository_id.in_(ids)))
    rows = [
        {"term": term, "repository_id": repository_id}
        for repository_id, name, description in repositories
        for term in terms_of(name, description)
    ]
    insert_new(session, RepositoryTerm, sorted(rows, key=lambda row: (row["repository_id"], row["term"])))
