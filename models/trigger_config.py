"""What a trigger's configuration says: which pushes count, and which tags their images get."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from models.build_options import BuildOptions, check_options, options_of
from models.errors import Invalid
from models.forges.push import REF, Json, check
from models.patterns import LONGEST, check_pattern, matches
from models.tables.triggers import Service

MOST_TEMPLATES = 20
_REF = re.compile(REF)
_SCP = re.compile(r"(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9.-]+:(?!//)[^\x00-\x20\x7f\\]+")
_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
_SLUG = re.compile(r"[\w.~-]+(?:/[\w.~-]+)+")
_SCHEMES = {"https", "http", "ssh", "git"}
_TEXT = {"type": "string", "maxLength": 1024}
SCHEMA: Json = {
    "type": "object",
    "properties": {
        "build_source": _TEXT,
        "dockerfile_path": _TEXT,
        "context": _TEXT,
        "subdir": {**_TEXT, "type": ["string", "null"]},
        "branchtag_regex": {"type": ["string", "null"], "maxLength": LONGEST},
        "default_tag_from_ref": {"type": "boolean"},
        "latest_for_default_branch": {"type": "boolean"},
        "tag_templates": {"type": "array", "items": {"type": "string", "maxLength": 256}, "maxItems": MOST_TEMPLATES},
        "git_url": _TEXT,
        "base_url": _TEXT,
        "api_url": _TEXT,
        "submodules": {"type": "boolean"},
        "build_args": {"type": "object", "additionalProperties": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "target": {"type": ["string", "null"]},
        "platform": {"type": ["string", "null"]},
        "cache": {"type": "boolean"},
    },
}
KEPT = frozenset({"credentials", "hook_id", "deploy_key_id", "master_branch", "repository_url"})
"""What activation writes; a caller's values for these are dropped."""
_HOMES: Mapping[Service, str] = {
    "github": "https://github.com",
    "gitlab": "https://gitlab.com",
    "bitbucket": "https://bitbucket.org",
}


def checked(service: Service, config: Json) -> Json:
    """The configuration as it is kept; Invalid that names the key."""
    check(config, SCHEMA)
    kept = {key: value for key, value in config.items() if key not in KEPT}
    if source := kept.get("build_source"):
        _check_source(service, source)
    for key in ("base_url", "api_url"):
        if key in kept:
            _check_base(key, kept[key])
    if "git_url" in kept:
        check_git_url(kept["git_url"], "git_url")
    for key in ("dockerfile_path", "context", "subdir"):
        if ".." in (kept.get(key) or "").split("/"):
            raise Invalid(f"{key}: expected a path inside of the repository, without ..")
    if pattern := kept.get("branchtag_regex"):
        check_pattern(pattern, subject="branchtag_regex")
    check_options(build_options(kept))
    return kept


def build_options(config: Mapping[str, Any]) -> BuildOptions:
    """What the trigger's builds are told beyond their Dockerfile, without secrets."""
    return options_of(config.get("build_args") or {}, config, {})


def check_git_url(url: str, key: str) -> str:
    """The address, if git may fetch from it: https, http, ssh, git, or `user@host:path`. Invalid."""
    if _SCP.fullmatch(url) and "://" not in url:
        return url
    expected = f"{key}: expected an address such as https://host/path, ssh://git@host/path or git@host:path"
    try:
        parts = urlsplit(url)
        host, port, password = parts.hostname, parts.port, parts.password
    except ValueError as exc:
        raise Invalid(expected) from exc
    if parts.scheme not in _SCHEMES or not host or port == 0 or re.search(r"[\x00-\x20\x7f\\]", url):
        raise Invalid(expected)
    if password is not None or (parts.username and parts.scheme != "ssh"):
        raise Invalid(f"{key}: expected an address without credentials; give them as auth_token or by key")
    return url


def git_url(service: Service, config: Mapping[str, Any]) -> str:
    """Where the trigger's repository is fetched from."""
    if url := config.get("git_url"):
        return str(url)
    source = str(config.get("build_source", ""))
    if service == "custom-git":
        return source
    host = urlsplit(home(service, config)).hostname
    return f"git@{host}:{source}.git"


def places_of(service: Service) -> tuple[str, ...]:
    """The keys of a configuration that say where a trigger's auth_token is sent."""
    places = ("git_url", "base_url", "api_url")
    return (*places, "build_source") if service == "custom-git" else places


def home(service: Service, config: Mapping[str, Any]) -> str:
    """The forge's own address; Invalid for one of a kind that has no usual place."""
    base = config.get("base_url") or _HOMES.get(service)
    if base is None:
        raise Invalid(f"base_url: a trigger of {service} needs the forge's address")
    return str(base).rstrip("/")


def page(service: Service, config: Mapping[str, Any]) -> str | None:
    """Where people look at the repository; None where that is not known."""
    source = config.get("build_source")
    if service == "custom-git" or not source:
        return None
    return f"{home(service, config)}/{source}"


def ref_kind(ref: str) -> tuple[str, str] | None:
    """(`heads`, `tags` or `remotes`, name) of a full ref."""
    found = _REF.match(ref)
    return (found[1], found[2]) if found else None


def unwanted(config: Mapping[str, Any], ref: str) -> str | None:
    """Why a push of this ref starts no build; None if it does."""
    pattern = config.get("branchtag_regex")
    if not pattern:
        return None
    parsed = ref_kind(ref)
    short = "/".join(parsed) if parsed else ref
    return None if matches(pattern, short, whole=True) else f"{short} does not match branchtag_regex"


def tags_for(config: Mapping[str, Any], metadata: Mapping[str, Any]) -> list[str]:
    """The tags of the image that is built from this commit; the rules and defaults are Quay's."""
    tags: dict[str, None] = {}
    parsed = ref_kind(str(metadata.get("ref", "")))
    if parsed:
        kind, name = parsed
        if config.get("default_tag_from_ref", True):
            tags[escape_tag(name.partition("/")[2] or name if kind == "remotes" else name)] = None
        is_default = kind == "heads" and name == metadata.get("default_branch")
        if is_default and config.get("latest_for_default_branch", True):
            tags["latest"] = None
    known = {**metadata, "parsed_ref": _parsed_ref(parsed)}
    for template in config.get("tag_templates") or ():
        if (filled := _fill(template, known)) is not None:
            tags[escape_tag(filled)] = None
    return list(tags) or [str(metadata["commit"])[:7]]


def escape_tag(name: str) -> str:
    """The name as a tag: what a tag may not have becomes an underscore."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", re.sub(r"^[^A-Za-z0-9_]", "_", name))[:127]


def _parsed_ref(parsed: tuple[str, str] | None) -> Json:
    if parsed is None:
        return {}
    kind, name = parsed
    if kind == "remotes":
        remote, _, branch = name.partition("/")
        return {"remote": remote, "branch": branch}
    return {"branch" if kind == "heads" else "tag": name}


def _fill(template: str, known: Mapping[str, Any]) -> str | None:
    """The template with what is known of the push; None if it asks for what is not."""
    for path in _PLACEHOLDER.findall(template):
        if _found(path, known) is None:
            return None
    filled = _PLACEHOLDER.sub(lambda match: _found(match[1], known) or "", template)
    return filled or None


def _found(path: str, known: Mapping[str, Any]) -> str | None:
    value: Any = known
    for name in path.strip().split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) and value else None


def _check_source(service: Service, source: str) -> None:
    if service == "custom-git":
        check_git_url(source, "build_source")
    elif not _SLUG.fullmatch(source):
        raise Invalid("build_source: expected the repository's path on the forge, such as owner/name")


def _check_base(key: str, url: str) -> None:
    expected = Invalid(f"{key}: expected an address such as https://git.example.com")
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise expected from exc
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or "@" in parts.netloc:
        raise expected
