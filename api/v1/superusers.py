"""Administer the accounts of the installation."""

from typing import Any, Literal

from pydantic import Field, SecretStr

from api.endpoint import Body, Query, Resource, Section, View, operation
from api.rules import fresh, superuser, superuser_over_user
from api.v1.paging import next_page, page_start
from api.v1.quota_views import WithQuota, namespace_quotas
from api.v1.views import AvatarView, Sparse, avatar_of
from models import registration, users
from models.authentication import Superusers
from models.client_keys import seal_client_key
from models.errors import Invalid
from models.passwords import hash_password
from models.tables import User
from models.vault import new_token

section = Section("superuser", __doc__)

PAGE = 50
MOST = 100
PASSWORD_LENGTH = 32


class UsersQuery(Query):
    disabled: bool = Field(True, description="If false, only enabled users")
    limit: int = Field(PAGE, ge=1, description=f"The most users in one answer, {MOST} at most")
    next_page: str | None = Field(None, description="The page token of the page before")


class NewUser(Body):
    username: str = Field(description="The name, in the space of names that organizations share")
    email: str | None = Field(None, description="The user's address")


class UserChange(Body):
    """What is not given stays as it is."""

    email: str | None = Field(None, description="The user's address")
    password: SecretStr | None = Field(None, description="A new password, of at least 8 characters")
    enabled: bool | None = Field(None, description="Whether the user, its tokens and its robots are let in")
    superuser: bool | None = Field(None, description="Only false: superusers are named by who runs the installation")


class InstallUser(WithQuota):
    kind: Literal["user"] = "user"
    name: str
    username: str
    email: str
    verified: bool
    avatar: AvatarView
    super_user: bool
    global_readonly_super_user: bool = False
    enabled: bool
    encrypted_password: Sparse[str] = None


class InstallUsers(View):
    users: list[InstallUser]
    next_page: Sparse[str] = None


class CreatedUser(View):
    """The new user with its password, which is shown this once."""

    username: str
    email: str | None
    password: str
    encrypted_password: str = Field(description="A client key, for container clients in place of the password")


def install_facts(superusers: Superusers, user: User) -> dict[str, Any]:
    """What is told of a user wherever superusers see one."""
    return {
        "name": user.name,
        "username": user.name,
        "email": user.email or "",
        "verified": user.verified,
        "avatar": avatar_of(user),
        "super_user": superusers.identify(user).superuser,
        "enabled": user.enabled,
    }


class _Users(Resource):
    def show(self, *users: User, new_password: bool = False) -> list[InstallUser]:
        quotas = namespace_quotas(self.session, self.settings, users)
        return [
            InstallUser(
                **install_facts(self.services.superusers, user),
                encrypted_password=seal_client_key(self.session.vault, user) if new_password else None,
                **dict(quotas[user.id]),
            )
            for user in users
        ]


@section.at("/superuser/users/")
class InstallationUsers(_Users):
    @operation("listAllUsers", allow=fresh(superuser))
    def get(self, query: UsersQuery) -> InstallUsers:
        """Returns a list of all users in the system."""
        bound = f"users {query.disabled}"
        limit = min(query.limit, MOST)
        after = page_start(self.settings, query.next_page, bound)
        found = users.list_users(self.session, after=after, limit=limit + 1, disabled=query.disabled)
        page = found[:limit]
        more = next_page(self.settings, page[-1].id, bound) if len(found) > limit else None
        return InstallUsers(users=self.show(*page), next_page=more)

    @operation("createInstallUser", allow=fresh(superuser), waits=True)
    def post(self, body: NewUser) -> CreatedUser:
        """Creates a new user, with a random password."""
        password = new_token(PASSWORD_LENGTH)
        hashed = hash_password(password)
        with self.writing() as session:
            user = registration.create_for(
                session, self.settings, body.username, email=body.email, password_hash=hashed, actor=self.caller
            )
            key = seal_client_key(session.vault, user)
        return CreatedUser(username=user.name, email=user.email, password=password, encrypted_password=key)


@section.at("/superuser/users/<username>")
class InstallationUser(_Users):
    @operation("getInstallUser", allow=fresh(superuser_over_user))
    def get(self, user: User) -> InstallUser:
        """Returns information about the specified user."""
        return self.show(user)[0]

    @operation("changeInstallUser", allow=fresh(superuser_over_user), waits=True)
    def put(self, user: User, body: UserChange) -> InstallUser:
        """Updates information about the specified user.

        What a superuser signs in by is changed by that superuser alone; a colleague may be disabled, though.
        """
        is_superuser = self.services.superusers.identify(user).superuser
        if is_superuser and not (body.email is None and body.password is None and body.superuser is None):
            raise Invalid("Cannot update a superuser")
        if body.superuser:
            raise Invalid("superuser: superusers are named by SUPER_USERS, or by `drydock user create --superuser`")
        hashed = hash_password(body.password.get_secret_value()) if body.password else None
        with self.writing() as session:
            user = users.get_user(session, user.name)
            users.change_user(
                session, user, email=body.email, password_hash=hashed, enabled=body.enabled, actor=self.caller
            )
            return self.show(user, new_password=hashed is not None)[0]

    @operation("deleteInstallUser", allow=fresh(superuser_over_user))
    def delete(self, user: User) -> None:
        """Deletes the specified user, with its repositories and robots."""
        if self.services.superusers.identify(user).superuser:
            raise Invalid(f"{user.name} is a superuser, and superusers cannot be deleted")
        users.remove_user(self.session, user, actor=self.caller)
