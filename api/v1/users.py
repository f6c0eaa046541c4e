"""The account of the caller."""

from typing import Any, Literal

from pydantic import Field

from api.endpoint import Resource, Section, View, operation
from api.rules import user_read, visitor
from api.v1.quota_views import WithQuota, namespace_quotas
from api.v1.views import AvatarView, Sparse, avatar_of
from config.settings import Settings
from models import external_logins, users
from models.access import Identity
from models.roles import TEAM_RANK
from models.session import Session
from models.tables import User
from models.tables.accounts import TeamRole
from models.users import Membership

section = Section("user", __doc__)

_OWN = (
    *("invoice_email", "invoice_email_address", "tag_expiration_s"),
    *("company", "family_name", "given_name", "location"),
)


class OwnOrganization(View):
    """An organization as its member sees it."""

    name: str
    avatar: AvatarView
    can_create_repo: bool
    public: bool = False
    is_org_admin: bool
    preferred_namespace: bool = False


class UserView(View):
    """The account; what only its owner may see is there if the token covers `user:admin`."""

    anonymous: bool = False
    username: str
    avatar: AvatarView
    is_me: bool = True
    verified: bool
    email: str
    can_create_repo: bool = True
    organizations: list[OwnOrganization]
    super_user: Sparse[bool] = None


class LoginView(View):
    """A service that vouches for the user, and what it calls the user."""

    service: str
    service_identifier: str
    metadata: dict[str, Any]


class OwnUserView(UserView, WithQuota):
    logins: list[LoginView] = Field(description="Services by which the user can sign in")
    invoice_email: bool
    invoice_email_address: str | None
    preferred_namespace: bool = False
    tag_expiration_s: int
    prompts: list[str] = Field(description="What the user should be asked for: `confirm_username`, `enter_name`…")
    company: str | None
    family_name: str | None
    given_name: str | None
    location: str | None
    is_free_account: bool = True
    has_password_set: bool


@section.at("/user/")
class OwnAccount(Resource):
    @operation("getLoggedInUser", allow=user_read, hot=True)
    def get(self, user: User) -> UserView | OwnUserView:
        """Get user information for the authenticated user."""
        return show_account(self.session, self.caller, user, settings=self.settings)


def show_account(session: Session, caller: Identity, user: User, *, settings: Settings) -> UserView | OwnUserView:
    """The user's account as the caller, who is the user, may see it."""
    shown: dict[str, Any] = {
        "username": user.name,
        "avatar": avatar_of(user),
        "verified": user.verified,
        "email": user.email or "",
        "organizations": [
            _show_organization(caller, found, "admin" if caller.full_access else found.role)
            for found in users.organizations_of(session, user)
        ],
        "super_user": True if caller.superuser else None,
    }
    if not caller.may_use("user:admin"):
        return UserView.model_validate(shown)
    own = {name: getattr(user, name) for name in _OWN}
    quota = dict(namespace_quotas(session, settings, [user])[user.id])
    return OwnUserView(
        **shown,
        **own,
        **quota,
        logins=_show_logins(session, user),
        prompts=user.prompts or [],
        has_password_set=user.password_hash is not None,
    )


def _show_logins(session: Session, user: User) -> list[LoginView]:
    return [
        LoginView(service=login.service, service_identifier=login.subject, metadata=login.details)
        for login in external_logins.list_logins(session, user)
    ]


def _show_organization(caller: Identity, organization: Membership, role: TeamRole) -> OwnOrganization:
    return OwnOrganization(
        name=organization.name,
        avatar=avatar_of(organization),
        can_create_repo=caller.may_use("repo:create") and TEAM_RANK[role] >= TEAM_RANK["creator"],
        is_org_admin=caller.may_use("org:admin") and role == "admin",
    )


class PublicUserView(View):
    """What everybody may know of a user."""

    anonymous: Literal[False] = False
    username: str
    avatar: AvatarView
    super_user: bool


@section.at("/users/<username>")
class PublicUser(Resource):
    @operation("getUserInformation", allow=visitor)
    def get(self, username: str) -> PublicUserView:
        """Get user information for the specified user."""
        user = users.get_user(self.session, username)
        is_superuser = self.services.superusers.identify(user).superuser
        return PublicUserView(username=user.name, avatar=avatar_of(user), super_user=is_superuser)
