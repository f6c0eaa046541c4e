"""Signing in and out with a browser."""

from typing import Literal

from flask import request
from pydantic import Field, SecretStr

from api.endpoint import Answer, Body, Resource, Section, View, operation
from api.rules import anyone, user_admin
from models import signin
from models.errors import Forbidden, Unauthenticated, Unconfirmed
from models.signin import Browser
from models.tables import User
from registry.session_cookie import cookie_header, csrf_token, read_cookie, removal_header

section = Section("user", __doc__)
direct = Section("user", __doc__, needs=["FEATURE_DIRECT_LOGIN"])

LONGEST_NAME = 255


class SignIn(Body):
    username: str = Field(max_length=LONGEST_NAME, description="The user's name or e-mail address")
    password: SecretStr = Field(description="The user's password")
    invite_code: str | None = Field(None, description="The code of an invitation to a team")


class Password(Body):
    password: SecretStr = Field(description="The user's password")


class Done(View):
    success: Literal[True] = True


class BrowserResource(Resource):
    """Operations that begin sessions."""

    def browser(self) -> Browser:
        return Browser(read_cookie(self.settings), request.remote_addr, request.user_agent.string)

    def session_headers(self, cookie: str) -> dict[str, str]:
        """What gives a browser the session whose cookie holds this."""
        return {
            "Set-Cookie": cookie_header(self.settings, cookie, lasting=True),
            "X-Next-CSRF-Token": csrf_token(self.settings, cookie),
        }


@direct.at("/signin")
class Signin(BrowserResource):
    @operation("signinUser", allow=anyone, waits=True)
    def post(self, body: SignIn) -> Answer[Done]:
        """Sign in the user with the specified credentials."""
        services = self.services
        try:
            cookie = signin.sign_in(
                services.database,
                services.superusers,
                self.settings,
                self.browser(),
                username=body.username,
                password=body.password.get_secret_value(),
                invite_code=body.invite_code,
            )
        except Unauthenticated as exc:
            raise refused(exc) from exc
        return Answer(Done(), self.session_headers(cookie))


@section.at("/signin/verify")
class Verification(BrowserResource):
    @operation("verifyUser", allow=user_admin, waits=True)
    def post(self, user: User, body: Password) -> Done:
        """Verifies the signed in the user with the specified credentials."""
        services = self.services
        try:
            signin.confirm_password(
                services.database, services.superusers, body.password.get_secret_value(), actor=self.caller
            )
        except Unauthenticated as exc:
            raise refused(exc) from exc
        return Done()


@section.at("/signout")
class Signout(BrowserResource):
    @operation("logout", allow=anyone)
    def post(self) -> Answer[Done]:
        """Request that the current user be signed out."""
        cookie = read_cookie(self.settings)
        if self.caller.session_id is None or cookie is None:
            return Answer(Done())
        signin.sign_out(self.session, self.settings, cookie, actor=self.caller)
        return Answer(Done(), {"Set-Cookie": removal_header(self.settings)})


def refused(error: Unauthenticated) -> Forbidden:
    """How Quay tells that a password is not the right one, or that the address has to be confirmed first."""
    unconfirmed = isinstance(error, Unconfirmed)
    facts = {"message": error.detail, "invalidCredentials": not unconfirmed, "needsEmailVerification": unconfirmed}
    return Forbidden(error.detail, facts=facts)
