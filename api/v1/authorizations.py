"""See and end what the caller has allowed OAuth applications to do."""

from typing import Any, Literal

from pydantic import Field

from api.endpoint import Query, Resource, Section, View, operation
from api.rules import fresh, user_admin
from api.v1.paging import next_page, page_start
from api.v1.views import AvatarView, Sparse, avatar, avatar_of, avatar_of_application
from models import assignments, authorizations
from models.scopes import SCOPES
from models.tables import OAuthApplication, OAuthToken, TokenAssignment, User

section = Section("user", __doc__)

PAGE = 100


class AuthorizationsQuery(Query):
    next_page: str | None = Field(None, description="The page token of the page before")


class ScopeView(View):
    """A scope, as it is explained to people."""

    title: str
    scope: str
    description: str
    icon: str
    dangerous: bool


class ApplicationOwner(View):
    name: str
    avatar: AvatarView


class AuthorizedApplication(View):
    name: str
    description: str
    url: str
    avatar: AvatarView
    organization: ApplicationOwner


class AssignedApplication(AuthorizedApplication):
    client_id: str = Field(serialization_alias="clientId")


class AuthorizationView(View):
    application: AuthorizedApplication
    scopes: list[ScopeView]
    uuid: str


class AuthorizationsView(View):
    authorizations: list[AuthorizationView]
    next_page: Sparse[str] = None


class AssignedAuthorizationView(View):
    application: AssignedApplication
    uuid: str
    redirect_uri: str = Field(serialization_alias="redirectUri")
    scopes: list[ScopeView]
    response_type: Literal["token", "code"] = Field(serialization_alias="responseType")


class AssignedAuthorizationsView(View):
    authorizations: list[AssignedAuthorizationView]


def show(row: OAuthToken) -> AuthorizationView:
    application = AuthorizedApplication(**_facts(row.application))
    return AuthorizationView(application=application, scopes=_explained(row.scopes), uuid=row.uuid)


def show_assigned(row: TokenAssignment) -> AssignedAuthorizationView:
    application = AssignedApplication(**_facts(row.application), client_id=row.application.client_id)
    return AssignedAuthorizationView(
        application=application,
        uuid=row.uuid,
        redirect_uri=row.redirect_uri,
        scopes=_explained(row.scopes),
        response_type="code" if row.response_type == "code" else "token",
    )


def _facts(application: OAuthApplication) -> dict[str, Any]:
    """What is shown of the application; tokens of the installation itself have one without an organization."""
    organization = application.organization
    owner = avatar_of(organization) if organization else avatar(application.name, application.client_id, "org")
    return {
        "name": application.name,
        "description": application.description,
        "url": application.application_uri,
        "avatar": avatar_of_application(application),
        "organization": ApplicationOwner(name=owner.name, avatar=owner),
    }


def _explained(scopes: str) -> list[ScopeView]:
    return [ScopeView(scope=name, **SCOPES[name]._asdict()) for name in scopes.split() if name in SCOPES]


@section.at("/user/authorizations")
class UserAuthorizations(Resource):
    @operation("listUserAuthorizations", allow=user_admin)
    def get(self, user: User, query: AuthorizationsQuery) -> AuthorizationsView:
        """List the applications that may act for the user."""
        bound = f"authorizations {user.id}"
        after = page_start(self.settings, query.next_page, bound)
        found = authorizations.list_authorizations(self.session, user, after=after, limit=PAGE + 1)
        page = found[:PAGE]
        more = next_page(self.settings, page[-1].id, bound) if len(found) > PAGE else None
        return AuthorizationsView(authorizations=[show(row) for row in page], next_page=more)


@section.at("/user/authorizations/<access_token_uuid>")
class UserAuthorization(Resource):
    @operation("getUserAuthorization", allow=user_admin)
    def get(self, user: User, access_token_uuid: str) -> AuthorizationView:
        """Returns one authorization of the user."""
        return show(authorizations.get_authorization(self.session, user, access_token_uuid))

    @operation("deleteUserAuthorization", allow=fresh(user_admin))
    def delete(self, user: User, access_token_uuid: str) -> None:
        """End the authorization: its access token is void at once."""
        authorizations.remove_authorization(self.session, user, access_token_uuid, actor=self.caller)


@section.at("/user/assignedauthorization")
class AssignedAuthorizations(Resource):
    @operation("listAssignedAuthorizations", allow=user_admin)
    def get(self, user: User) -> AssignedAuthorizationsView:
        """List the tokens that were assigned to the user and wait for consent."""
        found = assignments.list_assignments(self.session, user)
        return AssignedAuthorizationsView(authorizations=[show_assigned(row) for row in found])


@section.at("/user/assignedauthorization/<assigned_authorization_uuid>")
class AssignedAuthorization(Resource):
    @operation("deleteAssignedAuthorization", allow=user_admin)
    def delete(self, user: User, assigned_authorization_uuid: str) -> None:
        """Decline a token that was assigned to the user."""
        assignments.remove_assignment(self.session, user, assigned_authorization_uuid, actor=self.caller)
