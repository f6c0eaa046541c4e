"""Who may call what. Every operation names one rule; there is no default.

A rule takes the URL parameters that name its target, loads that target for a caller who may touch it, and gives it to
the operation in their place.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from models import access, applications, users
from models.access import Identity
from models.errors import Forbidden, StaleLogin
from models.session import Session
from models.tables import Account, OAuthApplication, Organization, Repository, Team, User


@dataclass(frozen=True)
class Rule:
    """`check` takes the session, the caller and URL parameters, and returns the target that the rule `gives`.

    `scope`: what a token must cover; `waived`: not where the target is public. `everywhere`: also where
    FEATURE_ANONYMOUS_ACCESS is off, since it tells nothing about anybody's data. `fresh`: a browser session counts only
    for a while after the password was given (FRESH_LOGIN_TIMEOUT); tokens count as ever, as in Quay.
    """

    check: Callable[..., Any]
    scope: str | None
    gives: str | None
    waived: bool
    everywhere: bool
    fresh: bool = False

    @property
    def name(self) -> str:
        return self.check.__name__

    @property
    def takes(self) -> list[str]:
        """The URL parameters that the rule uses up."""
        return list(inspect.signature(self.check).parameters)[2:]

    def screen(self, caller: Identity) -> None:
        """Refuse, without looking at any data, a caller who is nobody or whose token does not cover the scope."""
        if not self.scope or self.waived:
            return
        if caller.is_anonymous:
            raise caller.refuse()
        if not caller.may_use(self.scope):
            raise Forbidden(f"The access token lacks the scope {self.scope}")
        if self.fresh and not caller.fresh:
            raise StaleLogin("Requires fresh login")

    def admit(self, session: Session, caller: Identity, args: dict[str, Any]) -> None:
        """Replace the target's URL parameters in `args` by the target, or refuse."""
        self.screen(caller)
        target = self.check(session, caller, **{name: args.pop(name) for name in self.takes})
        if self.gives:
            args[self.gives] = target


def rule(
    *, scope: str | None = None, gives: str | None = None, waived: bool = False, everywhere: bool = False
) -> Callable[[Callable[..., Any]], Rule]:
    """Make a check a Rule."""
    return lambda check: Rule(check, scope, gives, waived, everywhere)


def fresh(rule: Rule) -> Rule:
    """The same rule, for what a browser left alone must not be used for."""
    return replace(rule, fresh=True)


@rule(everywhere=True)
def anyone(session: Session, caller: Identity) -> None:
    """Anybody, signed in or not."""


@rule()
def visitor(session: Session, caller: Identity) -> None:
    """Anybody, as far as this installation is open without an account; the operation shows what the caller may see."""


@rule(scope="repo:read", waived=True)
def repository_list(session: Session, caller: Identity) -> None:
    """Anybody; the list has what the caller may see."""


@rule(scope="user:read", gives="user")
def user_read(session: Session, caller: Identity) -> User:
    """The user who calls; no robot."""
    return access.signed_in_user(session, caller)


@rule(scope="user:admin", gives="user")
def user_admin(session: Session, caller: Identity) -> User:
    """The user who calls, about to change what is theirs; no robot."""
    return access.signed_in_user(session, caller)


@rule(scope="user:admin", gives="user")
def user_whole(session: Session, caller: Identity) -> User:
    """The user who calls, no robot; with a token only if that may do all that the user may."""
    if not caller.is_whole:
        raise Forbidden("The access token may do less than its user, and this would give it the rest")
    return access.signed_in_user(session, caller)


@rule(scope="repo:read", gives="user")
def stargazer(session: Session, caller: Identity) -> User:
    """The user who calls, no robot; the operation checks the repository that the body names."""
    return access.signed_in_user(session, caller)


@rule(scope="repo:create")
def repo_create(session: Session, caller: Identity) -> None:
    """Anyone with an account; the operation checks the namespace that the body names."""
    if caller.account_id is None:
        raise caller.refuse()


@rule(scope="repo:read", gives="repository", waived=True)
def repo_read(session: Session, caller: Identity, repository: str) -> Repository:
    """Who may read the repository; everybody if it is public."""
    return access.get_repository(session, caller, repository, "read")


@rule(scope="repo:write", gives="repository")
def repo_write(session: Session, caller: Identity, repository: str) -> Repository:
    """Who may write to the repository, whatever its state."""
    return access.get_repository(session, caller, repository, "write")


@rule(scope="repo:write", gives="repository")
def repo_push(session: Session, caller: Identity, repository: str) -> Repository:
    """Who may write to the repository, while its content may change."""
    return access.get_repository(session, caller, repository, "write", changes=True)


@rule(scope="repo:admin", gives="repository")
def repo_admin(session: Session, caller: Identity, repository: str) -> Repository:
    """Who administers the repository."""
    return access.get_repository(session, caller, repository, "admin")


@rule(gives="organization")
def organization_shown(session: Session, caller: Identity, orgname: str) -> Organization:
    """Anybody; the operation shows what the caller may see."""
    return access.get_organization(session, orgname)


@rule(scope="org:admin", gives="organization")
def org_admin(session: Session, caller: Identity, orgname: str) -> Organization:
    """Administrators of the organization."""
    return access.administered_organization(session, caller, orgname)


@rule(scope="org:admin", gives="organization")
def org_member(session: Session, caller: Identity, orgname: str) -> Organization:
    """Members of the organization; the operation shows what its administrators alone may see to them."""
    return access.member_organization(session, caller, orgname)


@rule(gives="application")
def application_shown(session: Session, caller: Identity, client_id: str) -> OAuthApplication:
    """Anybody who knows the application's id; the operation shows what an application says of itself."""
    return applications.shown_application(session, client_id)


@rule(scope="org:admin", gives="application")
def application_admin(session: Session, caller: Identity, orgname: str, client_id: str) -> OAuthApplication:
    """Administrators of the organization that owns the application."""
    organization = access.administered_organization(session, caller, orgname)
    return applications.get_application(session, organization, client_id)


@rule(scope="org:admin", gives="team")
def team_view(session: Session, caller: Identity, orgname: str, teamname: str) -> Team:
    """Members of the team and administrators of its organization."""
    return access.visible_team(session, caller, orgname, teamname)


@rule(scope="org:admin", gives="team")
def team_admin(session: Session, caller: Identity, orgname: str, teamname: str) -> Team:
    """Administrators of the team's organization."""
    return access.administered_team(session, caller, orgname, teamname)


@rule(scope="super:user")
def superuser(session: Session, caller: Identity) -> None:
    """Superusers of the installation."""
    if not caller.superuser:
        raise caller.refuse()


@rule(scope="super:user", gives="user")
def superuser_over_user(session: Session, caller: Identity, username: str) -> User:
    """Superusers of the installation, about a user."""
    if not caller.superuser:
        raise caller.refuse()
    return users.get_user(session, username)


@rule(scope="super:user", gives="organization")
def superuser_over_organization(session: Session, caller: Identity, name: str) -> Organization:
    """Superusers of the installation, about an organization."""
    if not caller.superuser:
        raise caller.refuse()
    return access.get_organization(session, name)


@rule(scope="super:user", gives="account")
def superuser_over_namespace(session: Session, caller: Identity, namespace: str) -> Account:
    """Superusers of the installation, about a user or an organization."""
    if not caller.superuser:
        raise caller.refuse()
    return access.get_namespace(session, namespace)


@rule(scope="org:admin", gives="organization")
def org_quota(session: Session, caller: Identity, orgname: str) -> Organization:
    """Members of the organization, and superusers of the installation."""
    if caller.superuser:
        return access.get_organization(session, orgname)
    return access.member_organization(session, caller, orgname)


@rule(scope="super:user", gives="organization")
def org_quota_admin(session: Session, caller: Identity, orgname: str) -> Organization:
    """Superusers of the installation, about what an organization may use."""
    if not caller.superuser:
        raise caller.refuse()
    return access.get_organization(session, orgname)
