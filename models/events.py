"""What can be told of a repository or a namespace: the events, what each brings along, and who wants which of them.

Names, configuration and the keys of what is told are Quay's.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from models.errors import Invalid
from models.patterns import check_pattern, matches

Level = Literal["info", "primary", "success", "warning", "error"]
Data = dict[str, Any]

LONGEST_AHEAD_DAYS = 30
PRIORITIES = ("Critical", "High", "Medium", "Low", "Negligible", "Unknown")
"""How bad a vulnerability is, the worst first; `level` in a configuration is the place in this list."""


@dataclass(frozen=True)
class Event:
    """`check` refuses (Invalid) a configuration, `wanted` tells whether what happened is wanted by one.

    `sample` is what a test tells.
    """

    level: Level
    check: Callable[[Data], None]
    wanted: Callable[[Data, Data], bool]
    sample: Callable[[Data], Data]
    of_namespace: bool = False


def check_event(name: str, config: Data, *, of_namespace: bool) -> None:
    """Invalid if there is no such event, or it cannot be configured like this."""
    names = [each for each, event in EVENTS.items() if event.of_namespace or not of_namespace]
    if name not in names:
        raise Invalid(f"event: expected one of {', '.join(names)}")
    EVENTS[name].check(config)


def _anything(_: Data) -> None:
    """There is nothing to configure; what is given all the same is kept, as in Quay."""


def _always(_: Data, __: Data) -> bool:
    return True


def _check_build(config: Data) -> None:
    pattern = config.get("ref-regex")
    if pattern is not None and not isinstance(pattern, str):
        raise Invalid("eventConfig.ref-regex: expected a text")
    check_pattern(pattern or "", subject="eventConfig.ref-regex")


def _wants_build(config: Data, told: Data) -> bool:
    pattern = config.get("ref-regex")
    if not pattern:
        return True
    ref = (told.get("trigger_metadata") or {}).get("ref")
    return isinstance(ref, str) and matches(pattern, ref)


def _check_vulnerability(config: Data) -> None:
    if "level" in config:
        _number(config, "level", 0, len(PRIORITIES) - 1)


def _wants_vulnerability(config: Data, told: Data) -> bool:
    if "level" not in config:
        return True
    priority = (told.get("vulnerability") or {}).get("priority")
    return priority in PRIORITIES and PRIORITIES.index(priority) <= int(config["level"])


def _check_expiry(config: Data) -> None:
    _number(config, "days", 1, LONGEST_AHEAD_DAYS)


def _number(config: Data, key: str, least: int, most: int) -> None:
    """Quay's own pages send some numbers as text."""
    value = config.get(key)
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and least <= int(text) <= most):
        raise Invalid(f"eventConfig.{key}: expected a whole number from {least} to {most}")


def _sample_push(_: Data) -> Data:
    return {"updated_tags": ["latest", "1.0"], "pruned_image_count": 3}


def _sample_mirror(_: Data) -> Data:
    return {"message": "TEST NOTIFICATION"}


_SAMPLE_METADATA = {
    "default_branch": "main",
    "ref": "refs/heads/a-branch",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "commit_info": {
        "url": "https://git.example.com/a/commit/0123456789abcdef0123456789abcdef01234567",
        "message": "A message",
        "date": "2026-01-01T12:00:00Z",
        "author": {
            "username": "somebody",
            "url": "https://git.example.com/somebody",
            "avatar_url": "https://git.example.com/somebody.png",
        },
    },
}
SAMPLE_BUILD = "00000000-0000-0000-0000-000000000000"


def _sample_build(**more: Any) -> Callable[[Data], Data]:
    told = {
        "build_id": SAMPLE_BUILD,
        "build_name": "0123456",
        "docker_tags": ["latest", "a-branch"],
        "trigger_id": SAMPLE_BUILD,
        "trigger_kind": "github",
        "trigger_metadata": _SAMPLE_METADATA,
        **more,
    }
    return lambda _: told


def _sample_vulnerability(config: Data) -> Data:
    return {
        "tags": ["latest", "1.0"],
        "image": "sha256:" + "0" * 64,
        "vulnerability": {
            "id": "CVE-0000-0000",
            "description": "No real vulnerability, but a test",
            "link": "https://security.example.com/CVE-0000-0000",
            "priority": PRIORITIES[int(config.get("level", 0))],
            "has_fix": True,
        },
    }


def _sample_expiry(config: Data) -> Data:
    return {"tags": ["latest", "1.0"], "expiring_in": f"{config.get('days', 1)} days"}


def quota_data(*, threshold_percent: int, usage: int, limit: int) -> Data:
    """What an event about a quota tells, beside the namespace."""
    return {
        "threshold_percent": threshold_percent,
        "usage_bytes": usage,
        "limit_bytes": limit,
        "usage_percent": usage * 100 // limit,
        "usage_bytes_formatted": _formatted(usage),
        "limit_bytes_formatted": _formatted(limit),
    }


def _formatted(size: int) -> str:
    units = ("B", "KB", "MB", "GB", "TB", "PB")
    power = min(int(math.log(size, 1024)), len(units) - 1) if size > 0 else 0
    return f"{size / 1024**power:.2f} {units[power]}"


_GIB = 1 << 30


def _build(level: Level, **sample: Any) -> Event:
    return Event(level, _check_build, _wants_build, _sample_build(**sample))


def _mirror(level: Level) -> Event:
    return Event(level, _anything, _always, _sample_mirror)


def _quota(level: Level, percent: int, usage: int) -> Event:
    told = quota_data(threshold_percent=percent, usage=usage, limit=_GIB)
    return Event(level, _anything, _always, lambda _: told, of_namespace=True)


EVENTS: Mapping[str, Event] = {
    "repo_push": Event("primary", _anything, _always, _sample_push),
    "build_queued": _build("info", is_manual=False, manual_user=None),
    "build_start": _build("info"),
    "build_success": _build("success", manifest_digests=["sha256:" + "0" * 64]),
    "build_failure": _build("error", error_message="No real failure, but a test"),
    "build_cancelled": _build("info"),
    "vulnerability_found": Event("warning", _check_vulnerability, _wants_vulnerability, _sample_vulnerability),
    "repo_mirror_sync_started": _mirror("info"),
    "repo_mirror_sync_success": _mirror("success"),
    "repo_mirror_sync_failed": _mirror("error"),
    "repo_image_expiry": Event("info", _check_expiry, _always, _sample_expiry),
    "quota_warning": _quota("warning", 80, _GIB * 80 // 100),
    "quota_error": _quota("error", 100, _GIB * 105 // 100),
}
"""Every event by its name."""


def level_of(name: str, told: Data) -> Level:
    """How grave it is; of a vulnerability, by its priority."""
    if name != "vulnerability_found":
        return EVENTS[name].level
    priority = (told.get("vulnerability") or {}).get("priority")
    return "error" if priority == "Critical" else "warning" if priority in ("High", "Medium") else "info"
