"""Who may call which operation, found out by asking the rules themselves, for people who review access.

The rules are put to everybody in a small company, in a database that is in memory and gone afterwards. So what is told
is what is enforced. Operations that name further things in query or body check those besides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from api import v1
from api.company import CALLERS, CLIENT_ID, ORGANIZATION, PRIVATE, PUBLIC, populate, with_token
from api.rules import Rule
from api.v1.discovery import PREFIX
from models.access import Identity
from models.errors import DomainError, Forbidden, NotFound, Unauthenticated
from models.opening import throw_away
from models.scopes import SCOPES, parse_scopes
from models.session import Session

TARGETS: Mapping[str, str] = {
    "client_id": CLIENT_ID,
    "name": ORGANIZATION,
    "namespace": ORGANIZATION,
    "orgname": ORGANIZATION,
    "repository": PRIVATE,
    "teamname": "members",
    "username": "stranger",
}
"""What the rules are asked about, by the URL parameters they take."""
YES = "yes"
_REFUSALS: Mapping[type[DomainError], str] = {Unauthenticated: "401", Forbidden: "403", NotFound: "404"}


@dataclass(frozen=True)
class Row:
    """An operation with the verdict for each caller, and for a token of each scope of somebody who may do everything.

    A verdict is `yes` or the status of the refusal. `target`: the repository that is asked about, if one is.
    """

    method: str
    path: str
    operation: str
    rule: str
    scope: str | None
    fresh: bool
    target: str
    callers: Mapping[str, str]
    tokens: Mapping[str, str]


def build() -> list[Row]:
    """A row for every operation; two for those on a repository: the private one, and a public one."""
    with throw_away() as session:
        return _rows(session, populate(session))


def _rows(session: Session, people: Mapping[str, Identity]) -> list[Row]:
    callers = {name: people[name] for name in CALLERS}
    tokens = {scope: with_token(session, parse_scopes(scope)) for scope in SCOPES}

    @cache  # for dozens of operations that share a rule
    def verdicts(rule: Rule, target: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        asked = dict(TARGETS, repository=target)
        return _ask(session, rule, callers, asked), _ask(session, rule, tokens, asked)

    rows = []
    for section in v1.SECTIONS:
        for verb, url, op in section.operations:
            rule = op.allow
            for target in (PRIVATE, PUBLIC) if "repository" in rule.takes else ("",):
                who, token = verdicts(rule, target)
                declared = (rule.name, rule.scope, rule.fresh, target)
                rows.append(Row(verb.upper(), PREFIX + url, op.name, *declared, who, token))
    return rows


def _ask(
    session: Session, rule: Rule, callers: Mapping[str, Identity], targets: Mapping[str, str]
) -> Mapping[str, str]:
    return {name: _verdict(session, rule, caller, targets) for name, caller in callers.items()}


def _verdict(session: Session, rule: Rule, caller: Identity, targets: Mapping[str, str]) -> str:
    try:
        rule.admit(session, caller, {name: targets[name] for name in rule.takes})
    except DomainError as exc:
        return _REFUSALS.get(type(exc), type(exc).__name__)
    return YES


def as_cells(rows: Sequence[Row]) -> list[list[str]]:
    """The matrix as lines of cells, the first with the headings."""
    head = ["method", "path", "operation", "rule", "scope", "fresh login", "repository"]
    lines = [[*head, *CALLERS, *(f"token {scope}" for scope in SCOPES)]]
    for row in rows:
        facts = [row.method, row.path, row.operation, row.rule, row.scope or "", YES if row.fresh else "", row.target]
        lines.append([*facts, *row.callers.values(), *row.tokens.values()])
    return lines
