"""OAuth scopes, exactly Quay's, and what each implies."""

from typing import NamedTuple

from models.tables.repositories import RepositoryRole


class Scope(NamedTuple):
    """What people are told of a scope. `dangerous`: who has it can do lasting harm; `icon`: what Quay's pages show."""

    title: str
    description: str
    icon: str
    dangerous: bool = False


SCOPES: dict[str, Scope] = {
    "repo:read": Scope("View repositories", "See and pull all the repositories you can see.", "fa-hdd-o"),
    "repo:write": Scope(
        "Push to repositories", "See, pull from and push to all the repositories you can write to.", "fa-hdd-o"
    ),
    "repo:admin": Scope(
        "Administer repositories",
        "Administer, see and change all the repositories you administer; delete them, too.",
        "fa-hdd-o",
    ),
    "repo:create": Scope("Create repositories", "Create repositories in every namespace where you may.", "fa-plus"),
    "user:read": Scope("Read your account", "Read your account's name and e-mail address.", "fa-user"),
    "user:admin": Scope(
        "Administer your account", "Change your account: robots, tokens, settings.", "fa-gear", dangerous=True
    ),
    "org:admin": Scope(
        "Administer organizations",
        "Administer your organizations: robots, members, teams, settings.",
        "fa-gear",
        dangerous=True,
    ),
    "super:user": Scope(
        "Administer the installation",
        "Administer this whole installation, if you are one of its superusers.",
        "fa-street-view",
        dangerous=True,
    ),
}
_IMPLIES = {"repo:admin": ("repo:write", "repo:read"), "repo:write": ("repo:read",)}


def named_scopes(text: str) -> list[str] | None:
    """The scopes named in `text` (spaces or commas between them), each once; None if any is unknown or none is named.

    One unknown scope voids the whole set, as in Quay, so that a typing error never grants half of what was meant.
    """
    names = list(dict.fromkeys(text.replace(",", " ").split()))
    return names if names and SCOPES.keys() >= set(names) else None


def parse_scopes(text: str) -> frozenset[str] | None:
    """The scopes named in `text` and what they imply; None as above."""
    names = named_scopes(text)
    return None if names is None else frozenset(names).union(*(_IMPLIES.get(name, ()) for name in names))


def widest_role(scopes: frozenset[str]) -> RepositoryRole | None:
    """The most that a token with these scopes may do in any repository."""
    if "repo:admin" in scopes:
        return "admin"
    if "repo:write" in scopes:
        return "write"
    return "read" if "repo:read" in scopes else None
