"""Manage the access tokens of an organization's OAuth application."""

from datetime import timedelta

from pydantic import AliasChoices, Field

from api.endpoint import Body, Query, Resource, Section, View, operation
from api.rules import application_admin, fresh
from api.v1.paging import next_page, page_start
from api.v1.views import IsoMoment, Sparse
from models import application_tokens
from models.access import signed_in_user
from models.application_tokens import LONGEST_NAME
from models.errors import Invalid
from models.tables import OAuthApplication, OAuthToken
from models.tables.base import now

section = Section("organization_application_tokens", __doc__)

PAGE = 50


class TokensQuery(Query):
    next_page: str | None = Field(None, description="The page token of the page before")


class NewApplicationToken(Body):
    friendly_name: str = Field(
        validation_alias=AliasChoices("friendlyName", "name"),
        min_length=1,
        max_length=LONGEST_NAME,
        description="What the token is called; also accepted as `name`",
    )
    scope: str = Field(max_length=1024, description="What the token may do: scopes with spaces between them")
    expiration: float | None = Field(
        None, ge=1, description="For how many seconds the token is good; OAUTH_ACCESS_TOKEN_LIFETIME_SEC at most"
    )


class ApplicationTokenView(View):
    """`name` is null for a token that the application was given by a user; `token` is there once, for a new one."""

    uuid: str
    name: str | None
    scope: str
    expires_at: IsoMoment | None
    created: IsoMoment
    created_by: str
    last_accessed: IsoMoment | None
    token: Sparse[str] = None


class ApplicationTokensView(View):
    tokens: list[ApplicationTokenView]
    next_page: Sparse[str] = None


def show(row: OAuthToken, username: str, token: str | None = None) -> ApplicationTokenView:
    return ApplicationTokenView(
        uuid=row.uuid,
        name=row.name,
        scope=row.scopes,
        expires_at=row.expires_at,
        created=row.created_at,
        created_by=username,
        last_accessed=row.last_accessed_at,
        token=token,
    )


@section.at("/organization/<orgname>/applications/<client_id>/tokens")
class ApplicationTokens(Resource):
    @operation("listOrganizationApplicationTokens", allow=application_admin)
    def get(self, application: OAuthApplication, query: TokensQuery) -> ApplicationTokensView:
        """List all tokens for the specified application."""
        bound = f"application tokens {application.id}"
        after = page_start(self.settings, query.next_page, bound)
        found = application_tokens.list_application_tokens(self.session, application, after=after, limit=PAGE + 1)
        page = found[:PAGE]
        more = next_page(self.settings, page[-1].id, bound) if len(found) > PAGE else None
        return ApplicationTokensView(tokens=[show(row, row.account.name) for row in page], next_page=more)

    @operation("createOrganizationApplicationToken", allow=fresh(application_admin))
    def post(self, application: OAuthApplication, body: NewApplicationToken) -> ApplicationTokenView:
        """Create a new token for the specified application, which acts for the caller."""
        user = signed_in_user(self.session, self.caller)
        row, token = application_tokens.create_application_token(
            self.session,
            application,
            user,
            body.friendly_name,
            body.scope,
            expires_at=now() + timedelta(seconds=self.lifetime_s(body.expiration)),
            actor=self.caller,
        )
        return show(row, user.name, token)

    def lifetime_s(self, asked: float | None) -> float:
        longest = self.settings.OAUTH_ACCESS_TOKEN_LIFETIME_SEC
        if asked is not None and asked > longest:
            raise Invalid(f"expiration: expected at most {longest} seconds (OAUTH_ACCESS_TOKEN_LIFETIME_SEC)")
        return asked or longest


@section.at("/organization/<orgname>/applications/<client_id>/tokens/<token_uuid>")
class ApplicationToken(Resource):
    @operation("deleteOrganizationApplicationToken", allow=application_admin)
    def delete(self, application: OAuthApplication, token_uuid: str) -> None:
        """Revoke a specific token for the specified application."""
        application_tokens.remove_application_token(self.session, application, token_uuid, actor=self.caller)
