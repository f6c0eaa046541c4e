"""Signing in by another service, and what other services the caller's account is attached to."""

from typing import Literal

from pydantic import Field

from api.context import login_services
from api.endpoint import Answer, Body, Resource, Section, View, operation
from api.rules import anyone, fresh, user_admin
from api.v1.views import SuccessView
from buildworker.openid import LIFE_S, redirect_uri
from models import external_logins
from models.tables import User
from registry.session_cookie import flow_header

section = Section("user", __doc__)
detaching = Section("user", __doc__, needs=["FEATURE_DIRECT_LOGIN"])


class Wish(Body):
    kind: Literal["login", "attach", "cli"] = Field(
        description="`login` signs in, `attach` lets the service vouch for the caller, `cli` signs in and makes a "
        "password for container clients"
    )


class AuthorizationUrlView(View):
    auth_url: str = Field(description="Where the browser signs in; it comes back with the cookie of this answer")


@section.at("/externallogin/<service_id>")
class ExternalLoginInformation(Resource):
    @operation("retrieveExternalLoginAuthorizationUrl", allow=anyone, waits=True)
    def post(self, service_id: str, body: Wish) -> Answer[AuthorizationUrlView]:
        """Begin a sign-in by another service, in the browser that gets this answer."""
        if body.kind == "attach":
            # Who may sign in as the caller from then on, as with a new password.
            fresh(user_admin).screen(self.caller)
            if self.caller.kind != "user":
                raise self.caller.refuse()
        begun = (
            login_services()
            .get(service_id)
            .begin(
                self.services.database.vault,
                redirect_uri(self.settings, service_id, body.kind),
                body.kind,
                target="/",
                account_id=self.caller.account_id if body.kind == "attach" else None,
            )
        )
        cookie = flow_header(self.settings, begun.cookie, begun.sealed, seconds=LIFE_S)
        return Answer(AuthorizationUrlView(auth_url=begun.url), {"Set-Cookie": cookie})


@detaching.at("/detachexternal/<service_id>")
class DetachedLogin(Resource):
    @operation("detachExternalLogin", allow=fresh(user_admin))
    def post(self, user: User, service_id: str) -> SuccessView:
        """Let the service vouch for the caller no longer."""
        external_logins.detach(self.session, self.settings, user, service_id, actor=self.caller)
        return SuccessView()
