"""Keeping tags as policies say: marking what has become immutable, ending what is to be pruned."""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import typer

from buildworker.runtime import Runtime
from buildworker.scheduler import LongTask
from cli.database import migrated
from cli.maintenance import size
from config.settings import Settings
from models.immutability_policies import mark_due
from models.pruning import SLICE, active_policies, doomed_tags, prune, prune_due, repositories_of
from models.session import Database, Session
from models.tables import PrunePolicy, Repository
from registry.collection.forecast import Forecast
from registry.collection.terms import Terms

log = logging.getLogger(__name__)

EVERY_S = 2


def scheduled_marking() -> LongTask:
    """What the scheduler does for tags that were there before an immutability policy."""

    def run(opened: Runtime, stop: Callable[[], bool]) -> None:
        while not stop() and opened.database.apply(mark_due):
            pass

    return LongTask("apply immutability policies", EVERY_S, run)


def scheduled_pruning(settings: Settings) -> LongTask:
    """What the scheduler does every AUTOPRUNE_TASK_RUN_MINIMUM_INTERVAL_MINUTES, and soon after a policy changed."""
    work = partial(prune_due, every=timedelta(minutes=settings.AUTOPRUNE_TASK_RUN_MINIMUM_INTERVAL_MINUTES))

    def run(opened: Runtime, stop: Callable[[], bool]) -> None:
        while not stop() and opened.database.apply(work):
            pass

    return LongTask("prune tags", EVERY_S, run)


def run_pruning(settings: Settings) -> None:
    """Let every policy end tags now."""
    total = 0
    with migrated(settings) as database:
        for policy_id, repository_id in _places(database):
            work = partial(_prune, policy_id=policy_id, repository_id=repository_id)
            while ended := database.apply(work):
                total += ended
                if ended < SLICE:
                    break
    typer.echo(f"Ended {total} tags.")


def forecast_pruning(settings: Settings) -> None:
    """Tell which policy would end which tags, and how many bytes that frees."""
    ended: dict[int, int] = {}
    with migrated(settings) as database:
        for policy_id, repository_id in _places(database):
            with database.read() as session:
                policy = session.get_one(PrunePolicy, policy_id)
                repository = session.get_one(Repository, repository_id)
                doomed = list(doomed_tags(session, repository.id, policy))
                if doomed:
                    typer.echo(f"{repository.path}: {_described(policy)} would end {len(doomed)} tags")
                for tag in doomed:
                    typer.echo(f"  {tag.name}")
                ended |= {tag.id: repository_id for tag in doomed}
        freed = _freed(database, ended)
    typer.echo(f"Pruning would end {len(ended)} tags. {size(freed)} become free once nobody can restore them any more.")


def _places(database: Database) -> list[tuple[int, int]]:
    """Each policy with each of its repositories, as ids."""
    with database.read() as session:
        return [
            (policy.id, repository.id)
            for policy in session.scalars(active_policies().order_by(PrunePolicy.id)).all()
            for repository in session.scalars(repositories_of(policy))
        ]


def _prune(session: Session, policy_id: int, repository_id: int) -> int:
    policy = session.get(PrunePolicy, policy_id)
    repository = session.get(Repository, repository_id)
    return prune(session, repository, policy) if policy and repository else 0


def _freed(database: Database, ended: dict[int, int]) -> int:
    """Bytes in the store that nothing would need without these tags (id → repository) that something needs now."""
    terms, only = Terms(protection=timedelta()), frozenset(ended.values())
    now, then = Forecast(database, terms, only=only), Forecast(database, terms, frozenset(ended), only)
    for forecast in (now, then):
        for _ in forecast.repositories():
            pass
    return then.bytes - now.bytes


def _described(policy: PrunePolicy) -> str:
    owner = policy.repository.path if policy.repository else policy.namespace.name
    what = f"the newest {policy.value} stay" if policy.method == "number_of_tags" else f"older than {policy.value} end"
    names = ""
    if policy.tag_pattern is not None:
        names = f", where names {'match' if policy.tag_pattern_matches else 'do not match'} {policy.tag_pattern}"
    return f"policy {policy.uuid} of {owner} ({what}{names})"
