"""Keeping an installation clean and in order: collection, full checks, and why something is where it is."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from buildworker.runtime import Runtime
from buildworker.scheduler import LongTask
from cli.database import migrated
from cli.options import Refused
from config.settings import Settings
from models.quota_audit import audit_usage, repair_usage
from models.session import Database
from registry.collection.forecast import Forecast
from registry.collection.reasons import why_kept
from registry.collection.run import Collected
from registry.collection.terms import Terms
from registry.fsck import check
from registry.gc import collect
from registry.names import Digest, MalformedDigest
from storage.driver import StorageDriver
from storage.opening import open_storage

log = logging.getLogger(__name__)

TOLD_EVERY_S = 1.0
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def scheduled_collection(settings: Settings) -> LongTask:
    """What the scheduler does every GARBAGE_COLLECTION_FREQUENCY seconds."""

    def run(opened: Runtime, stop: Callable[[], bool]) -> None:
        gone = collect(opened.database, opened.storage, Terms.of(settings), stop=stop)
        if gone != Collected():
            log.info("collected %s", _told(gone))

    return LongTask("collect garbage", settings.GARBAGE_COLLECTION_FREQUENCY, run)


def run_collection(settings: Settings, *, thorough: bool) -> None:
    """Collect now, telling how far it is."""
    with _opened(settings) as (database, storage):
        gone = collect(database, storage, Terms.of(settings), thorough=thorough, report=_progress(_told))
    typer.echo(f"Collected {_told(gone)}.")


def forecast(settings: Settings) -> None:
    """Tell what collection would take."""
    with migrated(settings) as database:
        found = Forecast(database, Terms.of(settings))
        for doomed in found.repositories():
            why = " (deleted)" if doomed.deleted else ""
            typer.echo(
                f"{doomed.repository}{why}: {doomed.tags} ended tags, {len(doomed.manifests)} manifests, "
                f"{doomed.links} links to blobs"
            )
            for digest in doomed.manifests:
                typer.echo(f"  manifest {digest}")
    typer.echo(
        f"Collection would remove {found.blobs} blobs of {size(found.bytes)} and {found.uploads} abandoned uploads; "
        f"{found.garbage} objects of {size(found.garbage_bytes)} wait for deletion already."
    )


def explain_kept(settings: Settings, text: str) -> None:
    """Tell everything that keeps a blob or manifest; Refused if it is not here."""
    try:
        digest = Digest.parse(text)
    except MalformedDigest as exc:
        raise Refused(f"{text}: {exc}") from exc
    with migrated(settings) as database, database.read() as session:
        lines = why_kept(session, str(digest), Terms.of(settings))
    if not lines:
        raise Refused(f"{digest} is not in this registry, neither as a blob nor as a manifest.")
    for line in lines:
        typer.echo(line)


def check_everything(settings: Settings, *, deep: bool) -> int:
    """Look for anything missing; how many problems."""
    problems = 0
    with _opened(settings) as (database, storage):
        for problem in check(database, storage, deep=deep, report=_progress(str)):
            typer.echo(str(problem))
            problems += 1
    typer.echo(f"Found {problems} problems." if problems else "Everything is there.")
    return problems


def audit_quota(settings: Settings, *, repair: bool) -> int:
    """Count again what namespaces use; how many are wrong, and were left so."""
    audited, wrong = 0, 0
    with migrated(settings) as database:
        for one in audit_usage(database):
            audited += 1
            if not one.drift:
                continue
            wrong += 1
            if one.repositories:
                typer.echo(f"{one.name}: {one.repositories} bytes are wrong in the sums of repositories")
            if one.drift != one.repositories:
                typer.echo(f"{one.name}: {one.kept} bytes are counted, {one.needed} are used (drift {one.drift})")
            if repair:
                repair_usage(database, one.namespace_id)
    mended = ", and repaired" if repair and wrong else ""
    typer.echo(f"Counted {audited} namespaces again: {wrong} with drift{mended}.")
    return 0 if repair else wrong


def size(count: int) -> str:
    """Bytes for people: 1.5 GB."""
    amount, unit = float(count), _UNITS[0]
    for larger in _UNITS[1:]:
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{count} bytes" if unit == _UNITS[0] else f"{amount:.1f} {unit}"


def _told(gone: Collected) -> str:
    return (
        f"{gone.tags} ended tags, {gone.repositories} repositories, {gone.manifests} manifests, {gone.links} links, "
        f"{gone.blobs} blobs of {size(gone.bytes)}, {gone.uploads} uploads; "
        f"deleted {gone.objects + gone.orphans} objects in storage"
    )


def _progress(tell: Callable[[Any], str]) -> Callable[[Any], None]:
    """What tells people on standard error how far it is, not more than once a second."""
    told_at = time.monotonic()

    def report(so_far: Any) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= TOLD_EVERY_S:
            told_at = time.monotonic()
            typer.echo(tell(so_far), err=True)

    return report


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Database, StorageDriver]]:
    location = settings.DISTRIBUTED_STORAGE_CONFIG[settings.DISTRIBUTED_STORAGE_PREFERENCE[0]]
    with migrated(settings) as database:
        yield database, open_storage(list(location), data=settings.data)
