"""Mail for who forgot a password, or has to confirm an address."""

from typing import Literal

from flask import request
from pydantic import Field

from api.endpoint import Body, Resource, Section, View, operation
from api.rules import anyone, fresh, superuser_over_user
from models import brakes, recovery
from models.brakes import ASKING, MAILING, Counted
from models.errors import Invalid
from models.tables import User

NEEDS = ["FEATURE_MAILING", "FEATURE_DIRECT_LOGIN"]
section = Section("user", __doc__, needs=NEEDS)
by_superuser = Section("superuser", __doc__, needs=NEEDS)


class RecoveryRequest(Body):
    email: str = Field(max_length=255, description="The address of the account")
    recaptcha_response: str | None = Field(None, description="Accepted for clients that send it; not used")


class ConfirmationRequest(Body):
    email: str = Field(max_length=255, description="The address that an account is waiting to have confirmed")


class RecoveryView(View):
    """The same whether the address is somebody's or not."""

    status: Literal["sent"] = "sent"


class SentView(View):
    email: str


@section.at("/recovery")
class Recovery(Resource):
    @operation("requestRecoveryEmail", allow=anyone, waits=True)
    def post(self, body: RecoveryRequest) -> RecoveryView:
        """Request a password recovery email."""
        site = brakes.site_of(request.remote_addr)
        brakes.slow_down(self.services.database, Counted(ASKING, site), Counted(MAILING, body.email))
        with self.writing() as session:
            recovery.request_recovery(session, self.settings, body.email)
        return RecoveryView()


@section.at("/user/confirmation")
class Confirmation(Resource):
    @operation("requestConfirmationEmail", allow=anyone, waits=True)
    def post(self, body: ConfirmationRequest) -> RecoveryView:
        """Mail the link that confirms an address once more; links mailed before are void."""
        site = brakes.site_of(request.remote_addr)
        brakes.slow_down(self.services.database, Counted(ASKING, site), Counted(MAILING, body.email))
        with self.writing() as session:
            recovery.request_confirmation(session, self.settings, body.email)
        return RecoveryView()


@by_superuser.at("/superusers/users/<username>/sendrecovery")
class RecoveryOfUser(Resource):
    @operation("sendInstallUserRecoveryEmail", allow=fresh(superuser_over_user))
    def post(self, user: User) -> SentView:
        """Mail the user a link for a new password."""
        if self.services.superusers.identify(user).superuser:
            raise Invalid("Cannot send a recovery email for a superuser")
        return SentView(email=recovery.send_recovery(self.session, self.settings, user))
