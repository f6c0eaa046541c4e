"""The account of the caller."""

from typing import Any, Literal

from pydantic import Field

from api.endpoint import Resource, Section, View, operation
from api.rules import user_read, visitor
from api.v1.views import AvatarView, Sparse, avatar_of
from models import users
from models.access import administers, may_create_in
from models.tables import Organization, User

section = Section("user", __doc__)


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
    email: str | None
    can_create_repo: bool = True
    organizations: list[OwnOrganization]
    super_user: Sparse[bool] = None


class OwnUserView(UserView):
    logins: list[Any] = Field(description="External accounts that are attached to this one")
    invoice_email: bool
    invoice_email_address: str | None
    preferred_namespace: bool = False
    tag_expiration_s: int
    prompts: list[str] = Field(description="What is missing in the account")
    company: str | None
    family_name: str | None
    given_name: str | None
    location: str | None
    is_free_account: bool = True
    has_password_set: bool


@section.at("/user/")
class OwnAccount(Resource):
    @operation("getLoggedInUser", allow=user_read)
    def get(self, user: User) -> UserView | OwnUserView:
        """Get user information for the authenticated user."""
        shown: dict[str, Any] = {
            "username": user.name,
            "avatar": avatar_of(user),
            "verified": user.verified,
            "email": user.email,
            "organizations": [self.show(found) for found in users.organizations_of(self.session, user)],
            "super_user": True if self.caller.superuser else None,
        }
        if not self.caller.may_use("user:admin"):
            return UserView.model_validate(shown)
        own = {name: getattr(user, name) for name in ("invoice_email", "invoice_email_address", "tag_expiration_s")}
        profile = {name: getattr(user, name) for name in ("company", "family_name", "given_name", "location")}
        has_password = user.password_hash is not None
        return OwnUserView(**shown, **own, **profile, logins=[], prompts=[], has_password_set=has_password)

    def show(self, organization: Organization) -> OwnOrganization:
        return OwnOrganization(
            name=organization.name,
            avatar=avatar_of(organization),
            can_create_repo=may_create_in(self.session, self.caller, organization),
            is_org_admin=administers(self.session, self.caller, organization),
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
