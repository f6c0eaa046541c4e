"""Manifests that nothing keeps."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Update, delete, or_, select, update
from sqlalchemy.orm import aliased

from models.quota import release_blobs
from models.session import Session
from models.tables import Manifest, ManifestBlob, ManifestChild, RepositoryBlob
from registry.collection.ancestry import climb
from registry.collection.run import Run
from registry.collection.terms import Terms


@dataclass(frozen=True)
class Look:
    """What one slice saw: how far it came, what it removed, and how many others it says to look at."""

    last: tuple[datetime, int]
    removed: int
    marked: int


def collect_manifests(run: Run) -> None:
    """Look at what is not settled, and again as long as something goes: what it kept may follow it."""
    goes_on = True
    while goes_on and not run.stop():
        goes_on, last = False, None
        while not run.stop():
            look = run.slice(partial(look_at_manifests, terms=run.terms, after=last))
            if look is None:
                break
            run.collected.manifests += look.removed
            goes_on, last = goes_on or bool(look.removed or look.marked), look.last


def look_at_manifests(session: Session, terms: Terms, after: tuple[datetime, int] | None) -> Look | None:
    """Settle or remove the next unsettled manifests; None if there are none."""
    unprotected = terms.unprotected
    query = select(Manifest.id, Manifest.touched_at).where(~Manifest.settled, Manifest.touched_at <= unprotected)
    if after is not None:
        moment, id_ = after
        query = query.where(or_(Manifest.touched_at > moment, (Manifest.touched_at == moment) & (Manifest.id > id_)))
    query = query.order_by(Manifest.touched_at, Manifest.id).limit(terms.manifests_in_slice)
    rows = session.execute(query.with_for_update(skip_locked=True)).all()
    if not rows:
        return None
    ancestry = climb(session, {row.id for row in rows}, unprotected)
    garbage = ancestry.garbage()
    # An index goes before what it names: a push may still find the index, and would get it without its children.
    removable = {id_ for id_ in garbage if not ancestry.parents[id_]}
    above = ancestry.above(garbage - removable) - ancestry.asked
    session.execute(_settle(ancestry.kept() | (garbage - removable), to=True))
    session.execute(_settle(above, to=False))
    remove_manifests(session, removable)
    return Look((rows[-1].touched_at, rows[-1].id), len(removable), len(above))


def remove_manifests(session: Session, ids: set[int]) -> None:
    """Remove the manifests, which are locked, and say what is to be looked at now. The last thing in a transaction."""
    if not ids:
        return
    referrer = aliased(Manifest)
    kept_by_them = {
        *session.scalars(select(ManifestChild.child_id).where(ManifestChild.parent_id.in_(ids))),
        *session.scalars(
            select(referrer.id)
            .join(Manifest, (Manifest.repository_id == referrer.repository_id) & (Manifest.digest == referrer.subject))
            .where(Manifest.id.in_(ids))
        ),
    }
    session.execute(_settle(kept_by_them - ids, to=False))
    linked: dict[int, set[int]] = {}
    claimed: dict[int, set[int]] = {}
    needed = select(ManifestBlob.repository_id, ManifestBlob.namespace_id, ManifestBlob.blob_id)
    for repository_id, namespace_id, blob_id in session.execute(needed.where(ManifestBlob.manifest_id.in_(ids))):
        linked.setdefault(repository_id, set()).add(blob_id)
        if namespace_id is not None:
            claimed.setdefault(namespace_id, set()).add(blob_id)
    session.execute(delete(Manifest).where(Manifest.id.in_(ids)).execution_options(synchronize_session=False))
    for repository_id in sorted(linked):
        links = (RepositoryBlob.repository_id == repository_id, RepositoryBlob.blob_id.in_(linked[repository_id]))
        session.execute(update(RepositoryBlob).where(*links).values(settled=False))
    release_blobs(session, claimed, linked)


def _settle(ids: set[int], *, to: bool) -> Update:
    return update(Manifest).where(Manifest.id.in_(ids)).values(settled=to).execution_options(synchronize_session=False)
