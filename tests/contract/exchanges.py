"""A script of calls, and what has to come back for each."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.factories.api import Api


class Exchange(NamedTuple):
    """A call and what has to come back: the status, and the keys that the answer has at least, or all of a text."""

    method: str
    path: str
    status: int
    answer: set[str] | str | None = None
    body: Any = None
    by: str | None = "owner"
    better: bool = False


PROBLEM = {"message", "detail", "error_message", "error_type", "title", "type", "status"}


def play(api: Api, script: Iterable[Exchange]) -> None:
    """Make the calls, one after the other, and compare."""
    for exchange in script:
        answer = api.call(exchange.method, exchange.path, by=exchange.by, json=exchange.body)
        told = f"{exchange}: {answer.status} {answer.text[:300]}"
        assert answer.status == exchange.status, told
        if isinstance(exchange.answer, str):
            assert answer.body == exchange.answer, told
        elif exchange.answer is not None:
            assert exchange.answer <= answer.body.keys(), told
        if exchange.answer == PROBLEM:
            assert answer.body["status"] == exchange.status
