"""The rules of collection, quotas and full checks hold with the databases and stores that are served in earnest."""

import inspect
from collections.abc import Callable
from types import ModuleType

import pytest

from tests.factories.pusher import Pusher
from tests.unit.registry import test_fsck, test_gc, test_gc_forecast, test_gc_storage, test_pruning, test_quota

Rule = Callable[[Pusher], None]


def rules(*modules: ModuleType) -> list[Rule]:
    return [
        rule
        for module in modules
        for name, rule in vars(module).items()
        if name.startswith("test_") and list(inspect.signature(rule).parameters) == ["pusher"]
    ]


def name_of(rule: Rule) -> str:
    return rule.__name__.removeprefix("test_")


@pytest.mark.parametrize("setup", ["postgresql-local"], indirect=True)
@pytest.mark.parametrize("rule", rules(test_gc, test_fsck, test_quota, test_gc_forecast, test_pruning), ids=name_of)
def test_rule_of_the_database(rule: Rule, pusher: Pusher) -> None:
    rule(pusher)


@pytest.mark.parametrize("setup", ["sqlite-local", "postgresql-s3"], indirect=True)
@pytest.mark.parametrize("rule", rules(test_gc_storage), ids=name_of)
def test_rule_of_storage(rule: Rule, pusher: Pusher) -> None:
    rule(pusher)


@pytest.mark.parametrize("seed", [100])
def test_what_goes_is_what_was_forecast_and_what_nothing_keeps(pusher: Pusher, seed: int) -> None:
    test_gc_forecast.test_what_goes_is_what_was_forecast_and_what_nothing_keeps(pusher, seed)
