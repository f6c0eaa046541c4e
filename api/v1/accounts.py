"""The account of the caller, as its owner changes it."""

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from api.endpoint import NULL, Answer, Body, Section, View, operation
from api.rules import fresh, user_admin
from api.v1.signin import BrowserResource, Done, Password
from api.v1.users import OwnUserView, UserView, show_account
from models import accounts, brakes, conversion, signin, users
from models.access import signed_in_user
from models.authentication import identify_user
from models.brakes import MAILING, Counted
from models.client_keys import make_client_key
from models.errors import Invalid, Unauthenticated
from models.passwords import hash_password
from models.tables import User
from registry.session_cookie import removal_header

section = Section("user", __doc__)

LONGEST = 255


class AccountChange(Body):
    """What is not given stays as it is."""

    username: str | None = Field(None, description="Another name, where users may change theirs")
    password: SecretStr | None = Field(None, description="A new password, of at least 8 characters")
    email: str | None = Field(
        None, max_length=LONGEST, description="Another address, confirmed by mail if there is mail"
    )
    invoice_email: bool | None = Field(None, description="Whether invoices are wanted by mail")
    invoice_email_address: Annotated[str | None, NULL] = Field(
        None, max_length=LONGEST, description="Another address for invoices"
    )
    tag_expiration_s: int | None = Field(None, ge=0, description="For how many seconds a deleted tag can be restored")
    given_name: Annotated[str | None, NULL] = Field(None, max_length=LONGEST)
    family_name: Annotated[str | None, NULL] = Field(None, max_length=LONGEST)
    company: Annotated[str | None, NULL] = Field(None, max_length=LONGEST)
    location: Annotated[str | None, NULL] = Field(None, max_length=LONGEST)
    enabled: Literal[True] | None = Field(None, description="Accepted for clients that send back what they read")


class Conversion(Body):
    admin_user: str = Field(alias="adminUser", description="The user who will administer the organization")
    admin_password: SecretStr = Field(alias="adminPassword", description="That user's password")
    plan: str | None = Field(None, description="Accepted for clients that send it; nothing is billed here")


class ClientKeyView(View):
    key: str = Field(description="To be used by container clients in place of the password")


_NULLABLE = {"invoice_email_address", *accounts.PROFILE}


def _given(body: AccountChange) -> dict[str, Any]:
    """What the body names, in plain values; of a password its hash, which takes a while to make. Invalid."""
    given = {name: getattr(body, name) for name in body.model_fields_set}
    if body.password is not None:
        given["password"] = hash_password(body.password.get_secret_value())
    return {name: value for name, value in given.items() if value is not None or name in _NULLABLE}


@section.at("/user/")
class OwnAccountChange(BrowserResource):
    @operation("changeUserDetails", allow=fresh(user_admin), waits=True)
    def put(self, user: User, body: AccountChange) -> Answer[UserView | OwnUserView]:
        """Update a users details such as password or email."""
        changes = _given(body)
        if "email" in changes and self.settings.FEATURE_MAILING:
            brakes.slow_down(self.services.database, Counted(MAILING, changes["email"]))
        with self.writing() as session:
            user = signed_in_user(session, self.caller)
            accounts.change_account(session, self.settings, user, changes, actor=self.caller)
            if "username" in changes:
                name, superusers = changes["username"], self.services.superusers
                accounts.rename(session, self.settings, superusers, user, name, actor=self.caller)
            headers = self.signed_in_again(user) if "password" in changes else {}
            return Answer(show_account(session, self.caller, user, settings=self.settings), headers)

    @operation("deleteCurrentUser", allow=fresh(user_admin))
    def delete(self, user: User) -> Answer[None]:
        """Deletes the current user, with its repositories and robots."""
        if self.caller.superuser or self.services.superusers.identify(user).superuser:
            raise Invalid(f"{user.name} is a superuser, and superusers cannot be deleted")
        users.remove_user(self.session, user, own=True, actor=self.caller)
        return Answer(None, {"Set-Cookie": removal_header(self.settings)})

    def signed_in_again(self, user: User) -> dict[str, str]:
        if self.caller.session_id is None:
            return {}
        cookie = signin.admit_user(self.session, self.settings, user, self.browser(), actor=self.caller)
        return self.session_headers(cookie)


@section.at("/user/clientkey")
class ClientKey(BrowserResource):
    @operation("generateUserClientKey", allow=fresh(user_admin), waits=True)
    def post(self, user: User, body: Password) -> ClientKeyView:
        """Return's the user's private client key."""
        password = body.password.get_secret_value()
        try:
            identify_user(self.services.database, self.services.superusers, user.name, password, ip=self.caller.ip)
        except Unauthenticated as exc:
            raise Invalid(exc.detail) from exc
        with self.writing() as session:
            return ClientKeyView(key=make_client_key(session, signed_in_user(session, self.caller), actor=self.caller))


@section.at("/user/convert")
class AccountConversion(BrowserResource):
    @operation("convertUserToOrganization", allow=fresh(user_admin), waits=True)
    def post(self, user: User, body: Conversion) -> Answer[Done]:
        """Convert the user to an organization."""
        if self.services.superusers.identify(user).superuser:
            raise Invalid(f"{user.name} is a superuser, and superusers cannot become organizations")
        password = body.admin_password.get_secret_value()
        try:
            found = identify_user(
                self.services.database, self.services.superusers, body.admin_user, password, ip=self.caller.ip
            )
        except Unauthenticated as exc:
            raise Invalid("The admin user credentials are not valid", facts={"reason": "invaliduser"}) from exc
        with self.writing() as session:
            actor = found.at(self.caller.ip)
            converted, administrator = signed_in_user(session, self.caller), signed_in_user(session, actor)
            conversion.convert_to_organization(session, converted, administrator, actor=self.caller)
            if not self.settings.FEATURE_DIRECT_LOGIN:
                return Answer(Done())
            cookie = signin.admit_user(session, self.settings, administrator, self.browser(), actor=actor)
        return Answer(Done(), self.session_headers(cookie))
