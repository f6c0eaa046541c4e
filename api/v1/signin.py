"""Signing in and out with a browser."""

from typing import Literal

from flask import request
from pydantic import Field, SecretStr

from api.endpoint import Answer, Body, Resource, Section, View, operation
from api.rules import anyone, user_admin
from models import signin
from models.errors import Forbidden, Unauthenticated
from models.signin import Browser
from models.tables import User
from registry.session_cookie import cookie_header, csrf_token, read_cookie, removal_header

section = Section("user", __doc__)

LONGEST_NAME = 255


class SignIn(Body):
    username: str = Field(max_length=LONGEST_NAME, description="The user's name or e-mail address")
    password: SecretStr = Field(description="The user's password")
    invite_code: str | None = Field(None, description="The code of an invitation to a team")


class Password(Body):
    password: SecretStr = Field(description="The user's password")


class Done(View):
    success: Literal[True] = True


class _SignIn(Resource):
    def browser(self) -> Browser:
        return Browser(read_cookie(self.settings), request.remote_addr, request.user_agent.string)

    def admitted(self, cookie: str) -> Answer[Done]:
        headers = {
            "Set-Cookie": cookie_header(self.settings, cookie, lasting=True),
            "X-Next-CSRF-Token": csrf_token(self.settings, cookie),
        }
        return Answer(Done(), headers)


@section.at("/signin")
class Signin(_SignIn):
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
            )
        except Unauthenticated as exc:
            raise refused(exc) from exc
        return self.admitted(cookie)


@section.at("/signin/verify")
class Verification(_SignIn):
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
class Signout(_SignIn):
    @operation("logout", allow=anyone)
    def post(self) -> Answer[Done]:
        """Request that the current user be signed out."""
        cookie = read_cookie(self.settings)
        if self.caller.session_id is None or cookie is None:
            return Answer(Done())
        signin.sign_out(self.session, self.settings, cookie, actor=self.caller)
        return Answer(Done(), {"Set-Cookie": removal_header(self.settings)})


def refused(error: Unauthenticated, *, unconfirmed: bool = False) -> Forbidden:
    """How Quay tells that a password is not the right one."""
    facts = {"message": error.detail, "invalidCredentials": not unconfirmed, "needsEmailVerification": unconfirmed}
    return Forbidden(error.detail, facts=facts)
