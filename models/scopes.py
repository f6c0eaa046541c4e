"""OAuth scopes, exactly Quay's, and what each implies."""

from models.tables.repositories import RepositoryRole

SCOPES: dict[str, str] = {
    "repo:read": "See and pull all the repositories you can see.",
    "repo:write": "See, pull from and push to all the repositories you can write to.",
    "repo:admin": "Administer, see and change all the repositories you administer.",
    "repo:create": "Create repositories in every namespace where you may.",
    "user:read": "Read your account's name and e-mail address.",
    "user:admin": "Change your account: robots, tokens, settings.",
    "org:admin": "Administer your organizations: robots, members, teams, settings.",
    "super:user": "Administer this whole installation, if you are one of its superusers.",
}
_IMPLIES = {"repo:admin": ("repo:write", "repo:read"), "repo:write": ("repo:read",)}


def parse_scopes(text: str) -> frozenset[str] | None:
    """The scopes named in `text` (spaces or commas between them) and what they imply; None if any is unknown.

    One unknown scope voids the whole set, as in Quay, so that a typing error never grants half of what was meant.
    """
    names = set(text.replace(",", " ").split())
    if not names <= SCOPES.keys():
        return None
    return frozenset(names.union(*(_IMPLIES.get(name, ()) for name in names)))


def widest_role(scopes: frozenset[str]) -> RepositoryRole | None:
    """The most that a token with these scopes may do in any repository."""
    if "repo:admin" in scopes:
        return "admin"
    if "repo:write" in scopes:
        return "write"
    return "read" if "repo:read" in scopes else None
