"""`drydock access matrix`: who may call what, on paper."""

import csv
import io
import json
from dataclasses import asdict
from string import ascii_lowercase
from typing import Literal

from api import matrix
from api.company import CALLERS
from api.matrix import YES, Row
from models.scopes import SCOPES

Format = Literal["table", "csv", "json"]
_CALLER_MARKS = ascii_lowercase[: len(CALLERS)]
_SCOPE_MARKS = ascii_lowercase[len(CALLERS) : len(CALLERS) + len(SCOPES)]
_SIGNS = {YES: "+", "401": "?", "403": ".", "404": "."}


def show_matrix(form: Format) -> str:
    """The matrix as text."""
    rows = matrix.build()
    if form == "json":
        return json.dumps([asdict(row) for row in rows], indent=2)
    if form == "csv":
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(matrix.as_cells(rows))
        return text.getvalue().rstrip("\n")
    return "\n".join([*_legend(), "", *_table(rows)])


def _legend() -> list[str]:
    callers = zip(_CALLER_MARKS, CALLERS.items(), strict=True)
    scopes = zip(_SCOPE_MARKS, SCOPES.items(), strict=True)
    return [
        "+ may call it   . may not   ? has to sign in first   * only for a while after the password was given",
        "Callers:",
        *(f"  {mark}  {name}: {what}" for mark, (name, what) in callers),
        "Tokens of one scope each, as if the owner were a superuser who may do everything:",
        *(f"  {mark}  {scope}: {about.description}" for mark, (scope, about) in scopes),
    ]


def _table(rows: list[Row]) -> list[str]:
    width = max(len(row.operation) for row in rows) + 1
    head = f"{'operation':{width}} {_CALLER_MARKS} {_SCOPE_MARKS}"
    lines = [f"{head} {'scope':11} {'repository':12} method and path"]
    for row in rows:
        callers = "".join(map(_sign, row.callers.values()))
        tokens = "".join(map(_sign, row.tokens.values()))
        name = row.operation + ("*" if row.fresh else "")
        where = f"{row.method:6} {row.path}"
        lines.append(f"{name:{width}} {callers} {tokens} {row.scope or '-':11} {row.target or '-':12} {where}")
    return lines


def _sign(verdict: str) -> str:
    return _SIGNS.get(verdict, "!")
