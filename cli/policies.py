"""Keeping tags as policies say: marking what has become immutable, ending what is to be pruned."""

import logging
import time
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
from models.pruning import (
    SLICE,
    active_policies,
    default_policy,
    doomed_tags,
    prune,
    prune_after,
    prune_due,
    repositories_of,
)
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
    every = timedelta(minutes=settings.AUTOPRUNE_TASK_RUN_MINIMUM_INTERVAL_MINUTES)
    work, rounds = partial(prune_due, every=every), _DefaultRounds(settings, every)

    def run(opened: Runtime, stop: Callable[[], bool]) -> None:
        while not stop() and opened.database.apply(work):
            pass
        while not stop() and rounds.go_on(opened.database):
            pass

    return LongTask("prune tags", EVERY_S, run)


class _DefaultRounds:
    """The rounds of the default policy. How far one is need not outlive the process: what is done is not done twice."""

    def __init__(self, settings: Settings, every: timedelta) -> None:
        self._policy, self._every_s = _default_policy(settings), every.total_seconds()
        self._position, self._due = 0, 0.0

    def go_on(self, database: Database) -> bool:
        """Prune a few more repositories, if it is time; whether there are more."""
        policy = self._policy
        if policy is None or time.monotonic() < self._due:
            return False
        position = database.apply(lambda session: prune_after(session, policy, self._position))
        self._position = position or 0
        if position is None:
            self._due = time.monotonic() + self._every_s
        return position is not None


def _default_policy(settings: Settings) -> PrunePolicy | None:
    stated = settings.DEFAULT_NAMESPACE_AUTOPRUNE_POLICY
    return default_policy(stated["method"], stated["value"]) if stated else None


def run_pruning(settings: Settings) -> None:
    """Let every policy end tags now."""
    total = 0
    with migrated(settings) as database:
        for policy_id, repository_id in _places(database, settings):
            work = partial(_prune, settings=settings, policy_id=policy_id, repository_id=repository_id)
            while ended := database.apply(work):
                total += ended
                if ended < SLICE:
                    break
    typer.echo(f"Ended {total} tags.")


def forecast_pruning(settings: Settings) -> None:
    """Tell which policy would end which tags, and how many bytes that frees."""
    ended: dict[int, int] = {}
    with migrated(settings) as database:
        for policy_id, repository_id in _places(database, settings):
            with database.read() as session:
                policy, repository = _found(session, settings, policy_id, repository_id)
                if policy is None or repository is None:  # meanwhile
                    continue
                doomed = list(doomed_tags(session, repository.id, policy))
                if doomed:
                    typer.echo(f"{repository.path}: {_described(policy)} would end {len(doomed)} tags")
                for tag in doomed:
                    typer.echo(f"  {tag.name}")
                ended |= {tag.id: repository_id for tag in doomed}
        freed = _freed(database, ended)
    typer.echo(f"Pruning would end {len(ended)} tags. {size(freed)} become free once nobody can restore them any more.")


def _places(database: Database, settings: Settings) -> list[tuple[int | None, int]]:
    """Each policy with each of its repositories, as ids; the default one has none."""
    default = _default_policy(settings)
    with database.read() as session:
        policies = session.scalars(active_policies().order_by(PrunePolicy.id)).all()
        return [
            (policy.id, repository.id)
            for policy in (*policies, *([default] if default else []))
            for repository in session.scalars(repositories_of(policy))
        ]


def _found(
    session: Session, settings: Settings, policy_id: int | None, repository_id: int
) -> tuple[PrunePolicy | None, Repository | None]:
    policy = _default_policy(settings) if policy_id is None else session.get(PrunePolicy, policy_id)
    return policy, session.get(Repository, repository_id)


def _prune(session: Session, settings: Settings, policy_id: int | None, repository_id: int) -> int:
    policy, repository = _found(session, settings, policy_id, repository_id)
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
    if policy.namespace_id is None:
        owner = "everybody"
    else:
        owner = policy.repository.path if policy.repository else policy.namespace.name
    what = f"the newest {policy.value} stay" if policy.method == "number_of_tags" else f"older than {policy.value} end"
    names = ""
    if policy.tag_pattern is not None:
        names = f", where names {'match' if policy.tag_pattern_matches else 'do not match'} {policy.tag_pattern}"
    uuid = f" {policy.uuid}" if policy.uuid else ""
    return f"policy{uuid} of {owner} ({what}{names})"
