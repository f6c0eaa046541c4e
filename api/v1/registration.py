"""How accounts begin: people create their own, and programs the first one of an installation."""

from flask import request
from pydantic import Field, SecretStr

from api.endpoint import Answer, Body, Resource, Section, View, operation
from api.rules import anyone
from api.v1.signin import BrowserResource
from api.v1.users import OwnUserView, UserView, show_account
from api.v1.views import Sparse
from models import brakes, registration, signin
from models.access import ANONYMOUS
from models.brakes import ASKING, Counted
from models.client_keys import seal_client_key
from models.errors import DomainError, Invalid
from models.passwords import hash_password
from models.registration import NewAccount
from models.session import Session

section = Section("user", __doc__, needs=["FEATURE_DIRECT_LOGIN", "FEATURE_USER_CREATION"])
first = Section("user", __doc__, needs=["FEATURE_USER_INITIALIZE"])

LONGEST = 255


class NewUserAccount(Body):
    username: str = Field(description="The name, in the space of names that organizations share")
    password: SecretStr = Field(description="A password of at least 8 characters")
    email: str | None = Field(None, max_length=LONGEST, description="The address; required where mail is sent")
    invite_code: str | None = Field(None, description="The code of an invitation to a team")
    recaptcha_response: str | None = Field(None, description="Accepted for clients that send it; not used")


class FirstUser(Body):
    username: str = Field(description="The name of the first superuser")
    password: SecretStr = Field(description="A password of at least 8 characters")
    email: str | None = Field(None, max_length=LONGEST)
    access_token: bool = Field(False, description="Whether an access token with every scope is wanted")


class AwaitingView(View):
    awaiting_verification: bool = True


class FirstUserView(View):
    username: str
    email: str | None
    encrypted_password: str = Field(description="A client key, for container clients in place of the password")
    access_token: Sparse[str] = None


@section.at("/user/")
class Registration(BrowserResource):
    @operation("createNewUser", allow=anyone, waits=True)
    def post(self, body: NewUserAccount) -> Answer[AwaitingView | UserView | OwnUserView]:
        """Create a new user."""
        wanted = NewAccount(body.username, body.email, body.password.get_secret_value(), body.invite_code)
        brakes.slow_down(self.services.database, Counted(ASKING, brakes.site_of(request.remote_addr)))
        password_hash = registration.check_registration(self.settings, self.services.superusers, wanted)
        with self.writing() as session:
            actor = ANONYMOUS.at(request.remote_addr)
            user = registration.register(session, self.settings, wanted, password_hash=password_hash, actor=actor)
            if not user.verified:
                return Answer(AwaitingView())
            caller = self.services.superusers.identify(user).at(request.remote_addr)
            cookie = signin.admit_user(session, self.settings, user, self.browser(), actor=caller)
            return Answer(show_account(session, caller, user, settings=self.settings), self.session_headers(cookie))


@first.at("/user/initialize")
class Initialization(Resource):
    @operation("initializeUser", allow=anyone, waits=True)
    def post(self, body: FirstUser) -> FirstUserView:
        """Create the first user of the installation, a superuser, while there is no user."""
        try:
            with self.services.database.read() as session:
                registration.refuse_second(session)  # nobody has us hash passwords for nothing
            password_hash = hash_password(body.password.get_secret_value())
            with self.writing() as session:
                return self._create(session, body, password_hash)
        except DomainError as exc:
            raise Invalid(exc.detail, facts={"message": exc.detail}) from exc

    def _create(self, session: Session, body: FirstUser, password_hash: str) -> FirstUserView:
        user = registration.initialize(
            session, self.settings, body.username, email=body.email, password_hash=password_hash, actor=self.caller
        )
        token = registration.first_token(session, user, actor=self.caller) if body.access_token else None
        key = seal_client_key(session.vault, user)
        return FirstUserView(username=user.name, email=user.email, encrypted_password=key, access_token=token)
