"""What people read of an event: a line that says what happened, and the facts."""

from collections.abc import Callable, Mapping
from typing import Any

Told = dict[str, Any]
_MOST_LISTED = 20
_LONGEST_VALUE = 500


def summary(event: str, told: Told, performer: str | None = None) -> str:
    """What happened, in one line."""
    return _SUMMARIES[event](told, performer or "Somebody")


def facts(told: Told) -> list[tuple[str, str]]:
    """(label, value) of what is known, for people."""
    found = ((label, find(told)) for label, find in _FACTS)
    return [(label, _short(value)) for label, value in found if value]


def _pushed(told: Told, performer: str) -> str:
    return f"{performer} pushed {_listed(told.get('updated_tags'))} to {told['repository']}"


def _build(what: str) -> Callable[[Told, str], str]:
    return lambda told, _: f"Build {told['build_id'][:8]} of {told['repository']} {what}"


def _mirror(what: str) -> Callable[[Told, str], str]:
    return lambda told, _: f"Mirroring of {told['repository']} {what}"


def _vulnerable(told: Told, _: str) -> str:
    found = told.get("vulnerabilities") or [told.get("vulnerability") or {}]
    worst = found[0].get("priority", "Unknown")
    if len(found) == 1:
        return f"A vulnerability ({worst}) was found in {told['repository']}"
    return f"{len(found)} vulnerabilities were found in {told['repository']}, the worst {worst}"


_SUMMARIES: Mapping[str, Callable[[Told, str], str]] = {
    "repo_push": _pushed,
    "build_queued": _build("waits in the queue"),
    "build_start": _build("has begun"),
    "build_success": _build("succeeded"),
    "build_failure": _build("failed"),
    "build_cancelled": _build("was cancelled"),
    "vulnerability_found": _vulnerable,
    "repo_mirror_sync_started": _mirror("has begun"),
    "repo_mirror_sync_success": _mirror("succeeded"),
    "repo_mirror_sync_failed": _mirror("failed"),
    "repo_image_expiry": lambda told, _: f"Tags of {told['repository']} expire within {told['expiring_in']}",
    "quota_warning": lambda told, _: f"{told['namespace']} uses {told['usage_percent']} % of its quota",
    "quota_error": lambda told, _: f"{told['namespace']} has no room left for what was pushed",
}


def _metadata(*keys: str) -> Callable[[Told], Any]:
    def find(told: Told) -> Any:
        value: Any = told.get("trigger_metadata") or {}
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    return find


def _vulnerability(told: Told) -> str:
    found = told.get("vulnerability") or {}
    return ", ".join(str(found[key]) for key in ("id", "description", "link") if found.get(key))


def _quota(told: Told) -> str:
    if "usage_bytes_formatted" not in told:
        return ""
    return f"{told['usage_bytes_formatted']} of {told['limit_bytes_formatted']}"


_FACTS: tuple[tuple[str, Callable[[Told], Any]], ...] = (
    ("Error", lambda told: told.get("error_message")),
    ("Message", lambda told: told.get("message")),
    ("Vulnerability", _vulnerability),
    ("In use", _quota),
    ("Tags", lambda told: _listed(told.get("updated_tags") or told.get("docker_tags") or told.get("tags"))),
    ("Ref", _metadata("ref")),
    ("Commit", _metadata("commit")),
    ("Commit message", _metadata("commit_info", "message")),
    ("Author", _metadata("commit_info", "author", "username")),
    ("Image", lambda told: _listed(told.get("manifest_digests"))),
    ("See", lambda told: told.get("homepage")),
)


def _listed(values: Any) -> str:
    parts = [str(value) for value in values or ()]
    more = [f"and {len(parts) - _MOST_LISTED} more"] if len(parts) > _MOST_LISTED else []
    return ", ".join(parts[:_MOST_LISTED] + more)


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
