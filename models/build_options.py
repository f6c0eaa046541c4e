"""What a build may be told beyond its Dockerfile, and which engine can do what of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from config.kinds import EngineKind
from models.errors import Invalid

MOST_ARGS = 100
MOST_LABELS = 100
MOST_SECRETS = 50
LONGEST_VALUE = 8192
LONGEST_SECRET = 32 * 1024
_ARG = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}")
_SECRET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_TARGET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_PLATFORM = re.compile(r"[a-z0-9]{1,20}/[a-z0-9_]{1,20}(/[a-z0-9.]{1,10})?")
_RESERVED = "drydock."

Feature = Literal["cache", "mounts", "secrets"]
"""`cache`: steps that are the same are not done again. `mounts`: `RUN --mount`. All have arguments, labels, targets."""
FEATURES: Mapping[EngineKind, frozenset[Feature]] = {
    "docker": frozenset({"cache"}),
    "buildkit": frozenset({"cache", "mounts", "secrets"}),
    "buildah": frozenset({"mounts", "secrets"}),
}
_HAVING = {
    "cache": "keeps steps of builds",
    "mounts": "knows RUN --mount",
    "secrets": "keeps secrets out of images",
}


@dataclass(frozen=True)
class BuildOptions:
    """`secrets` by name, as `RUN --mount=type=secret,id=` has it. `target`: a stage; None is the last.

    `platform`: None is the engine's own. `cache`: steps that an earlier build of the repository did may be taken over.
    """

    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    target: str | None = None
    platform: str | None = None
    cache: bool = True

    @property
    def kept(self) -> dict[str, Any]:
        """What is written down beside arguments and secrets."""
        return {"labels": dict(self.labels), "target": self.target, "platform": self.platform, "cache": self.cache}


NO_OPTIONS = BuildOptions()


def options_of(args: Mapping[str, str], kept: Mapping[str, Any], secrets: Mapping[str, str]) -> BuildOptions:
    """The options from what was written down of them."""
    target, platform = kept.get("target"), kept.get("platform")
    return BuildOptions(args, kept.get("labels") or {}, secrets, target, platform, kept.get("cache", True))


def check_options(options: BuildOptions) -> None:
    """Invalid, with the field's name, if something is not as it must be."""
    check_args(options.args)
    check_labels(options.labels)
    check_secrets(options.secrets)
    check_target(options.target)
    check_platform(options.platform)


def check_args(args: Mapping[str, str]) -> None:
    """Invalid, unless these can be build arguments. Those that steer the builder itself are not for users."""
    _check_pairs("build_args", args, MOST_ARGS, _ARG, "letters, digits and '_', no digit first")
    for name in args:
        if name.upper().startswith("BUILDKIT_"):
            raise Invalid(f"build_args: {name} is for the builder itself; choose another name")


def check_labels(labels: Mapping[str, str]) -> None:
    """Invalid, unless an image can have these labels."""
    _check_pairs("labels", labels, MOST_LABELS, _LABEL, "letters, digits, '.', '_', '/' or '-'")
    for name in labels:
        if name.startswith(_RESERVED):
            raise Invalid(f"labels: {name} is one of those that the build service sets itself")


def check_secrets(secrets: Mapping[str, str]) -> None:
    """Invalid, unless these can be a build's secrets; no value is told."""
    if len(secrets) > MOST_SECRETS:
        raise Invalid(f"secrets: expected at most {MOST_SECRETS}")
    for name, value in secrets.items():
        check_secret(name, value)


def check_secret(name: str, value: str) -> None:
    """Invalid, unless this can be one of a build's secrets."""
    if not _SECRET.fullmatch(name):
        raise Invalid(f"secrets: {name[:130]!r} is no name; expected letters, digits, '_', '.' or '-'")
    if not 1 <= len(value.encode(errors="replace")) <= LONGEST_SECRET:
        raise Invalid(f"secrets: expected {name} to have 1 to {LONGEST_SECRET} bytes")


def check_target(target: str | None) -> None:
    """Invalid, unless a stage can have this name."""
    if target is not None and not _TARGET.fullmatch(target):
        raise Invalid("target: expected the name or number of a stage")


def check_platform(platform: str | None) -> None:
    """Invalid, unless this names a platform."""
    if platform is not None and not _PLATFORM.fullmatch(platform):
        raise Invalid("platform: expected one such as linux/arm64")


def check_feature(kind: EngineKind, feature: Feature, subject: str) -> None:
    """Invalid, with the reason, if an engine of this kind cannot do it; `subject` begins the message."""
    if feature not in FEATURES[kind]:
        able = " or ".join(other for other in FEATURES if feature in FEATURES[other])
        raise Invalid(
            f"{subject}: images are built by {kind} here, and only {able} {_HAVING[feature]}; "
            "an administrator can choose by BUILD_ENGINE"
        )


def _check_pairs(subject: str, pairs: Mapping[str, str], most: int, form: re.Pattern[str], expected: str) -> None:
    if len(pairs) > most:
        raise Invalid(f"{subject}: expected at most {most}")
    for name, value in pairs.items():
        if not form.fullmatch(name):
            raise Invalid(f"{subject}: {name[:130]!r} is no name; expected {expected}")
        if len(value) > LONGEST_VALUE or "\0" in value:
            raise Invalid(f"{subject}: expected {name} to have at most {LONGEST_VALUE} characters, and no NUL")
