"""The kinds of log entries that the code writes are Quay's, or ours for what Quay has not."""

import ast
from collections.abc import Iterator
from pathlib import Path

from models.log_kinds import KINDS, OURS

ROOT = Path(__file__).parents[3]
PACKAGES = ("api", "buildworker", "cli", "models", "registry", "web")


def written() -> Iterator[tuple[str, str]]:
    """(where, kind) of every call of audit.record or audit.entry whose kind is a literal."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(source)) if "audit." in source else ():
                if isinstance(node, ast.Call) and _called(node) in {"record", "entry"}:
                    for part in ast.walk(node.args[1 if _called(node) == "record" else 0]):
                        if isinstance(part, ast.Constant) and isinstance(part.value, str):
                            yield f"{path.relative_to(ROOT)}:{node.lineno}", part.value


def _called(node: ast.Call) -> str | None:
    """The function of `audit` that is called, if it is one of those."""
    of = node.func.value if isinstance(node.func, ast.Attribute) else None
    return node.func.attr if isinstance(node.func, ast.Attribute) and getattr(of, "id", None) == "audit" else None


def test_there_are_as_many_as_in_quay() -> None:
    assert len(KINDS - OURS) == 145


def test_every_kind_that_is_written_is_known() -> None:
    unknown = [(where, kind) for where, kind in written() if kind not in KINDS and "_" in kind]
    assert unknown == []
    assert len({kind for _, kind in written()} & KINDS) > 50
