"""The access matrix on paper, for people and for programs."""

import csv
import json
from collections.abc import Callable

from api.company import CALLERS
from models.scopes import SCOPES
from tests.unit.cli.conftest import Done


def test_the_matrix_is_printed_in_every_form(drydock: Callable[..., Done]) -> None:
    table = drydock("access", "matrix")
    assert table.code == 0, table.err
    lines = table.out.splitlines()
    assert any(line.split()[0] == "createAppToken*" for line in lines if line)
    (shown,) = [line for line in lines if line.startswith("getRepo ") and "acme/app" in line]
    assert shown.split()[1] == "?.+++..++.+.+"
    assert all(any(name in line for line in lines) for name in (*CALLERS, *SCOPES))

    rows = list(csv.DictReader(drydock("access", "matrix", "--format", "csv").out.splitlines()))
    assert any(row["operation"] == "getRepo" and row["reader"] == "yes" and row["stranger"] == "403" for row in rows)
    found = json.loads(drydock("access", "matrix", "--format", "json").out)
    assert [row["operation"] for row in found] == [row["operation"] for row in rows]
    assert drydock("access", "matrix", "--format", "xml").code == 2
