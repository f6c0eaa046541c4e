"""Manage app specific tokens: passwords for single programs, such as a command line client."""

import math
from datetime import timedelta
from typing import Any

from pydantic import Field

from api.endpoint import Body, Query, Resource, Section, View, operation
from api.rules import fresh, superuser, user_admin, user_whole
from api.v1.paging import next_page, page_start
from api.v1.views import AvatarView, Moment, Sparse, avatar_of
from models import app_tokens
from models.errors import Invalid
from models.tables import AppToken, User

section = Section("appspecifictokens", __doc__)
superuser_section = Section("superuser", __doc__)

PAGE = 100
SOON = 0.1
"""The part of a token's life in which it counts as expiring soon."""


class AppTokensQuery(Query):
    expiring: bool | None = Field(None, description="If true, only returns those tokens expiring soon")


class AllAppTokensQuery(AppTokensQuery):
    next_page: str | None = Field(None, description="The page token of the page before")


class NewAppToken(Body):
    """One of the two is needed."""

    title: str | None = Field(None, description="The user-defined title for the token")
    friendly_name: str | None = Field(None, alias="friendlyName", description="The same by another name")


class ListedAppToken(View):
    uuid: str
    title: str
    last_accessed: Moment | None
    created: Moment
    expiration: Moment | None


class ShownAppToken(ListedAppToken):
    """`token_code`: the password that goes with the user name `$app`."""

    token_code: str | None


class TokenOwner(View):
    name: str
    avatar: AvatarView


class OwnedAppToken(ListedAppToken):
    user: TokenOwner


class AppTokensView(View):
    tokens: list[ListedAppToken]
    only_expiring: bool | None


class AllAppTokensView(View):
    tokens: list[OwnedAppToken]
    only_expiring: bool | None
    next_page: Sparse[str] = None


class AppTokenView(View):
    token: ShownAppToken


class _AppTokens(Resource):
    def show(self, token: AppToken) -> AppTokenView:
        code = app_tokens.code_of(self.session, token)
        return AppTokenView(token=ShownAppToken(**_facts(token), token_code=code))

    def soon(self, query: AppTokensQuery) -> timedelta | None:
        """How long those have to live that are asked for, if only some are."""
        lifetime = self.settings.app_token_lifetime or timedelta(weeks=4)
        return timedelta(seconds=math.ceil(lifetime.total_seconds() * SOON)) if query.expiring else None


@section.at("/user/apptoken")
class UserAppTokens(_AppTokens):
    @operation("listAppTokens", allow=user_admin)
    def get(self, user: User, query: AppTokensQuery) -> AppTokensView:
        """Lists the app specific tokens for the user."""
        found = app_tokens.list_app_tokens(self.session, user, expiring=self.soon(query))
        return AppTokensView(tokens=[ListedAppToken(**_facts(token)) for token in found], only_expiring=query.expiring)

    @operation("createAppToken", allow=fresh(user_whole))
    def post(self, user: User, body: NewAppToken) -> AppTokenView:
        """Create a new app specific token for user."""
        title = body.title if body.title is not None else body.friendly_name
        if title is None:
            raise Invalid("title: this field is required")
        lifetime = self.settings.app_token_lifetime
        return self.show(app_tokens.create_app_token(self.session, user, title, lifetime=lifetime, actor=self.caller))


@section.at("/user/apptoken/<token_uuid>")
class UserAppToken(_AppTokens):
    @operation("getAppToken", allow=fresh(user_whole))
    def get(self, user: User, token_uuid: str) -> AppTokenView:
        """Returns a specific app token for the user."""
        return self.show(app_tokens.get_app_token(self.session, user, token_uuid))

    @operation("revokeAppToken", allow=fresh(user_admin))
    def delete(self, user: User, token_uuid: str) -> None:
        """Revokes a specific app token for the user."""
        token = app_tokens.get_app_token(self.session, user, token_uuid)
        app_tokens.revoke_app_token(self.session, user, token, actor=self.caller)


@superuser_section.at("/superuser/apptokens")
class EverybodysAppTokens(_AppTokens):
    @operation("listAllAppTokens", allow=fresh(superuser))
    def get(self, query: AllAppTokensQuery) -> AllAppTokensView:
        """Returns the app specific tokens of all users, without the tokens themselves."""
        bound = f"app tokens {query.expiring}"
        found = app_tokens.list_everybodys_app_tokens(
            self.session,
            expiring=self.soon(query),
            after=page_start(self.settings, query.next_page, bound),
            limit=PAGE + 1,
        )
        page = found[:PAGE]
        shown = [OwnedAppToken(**_facts(token), user=_owner(token)) for token in page]
        more = next_page(self.settings, page[-1].id, bound) if len(found) > PAGE else None
        return AllAppTokensView(tokens=shown, only_expiring=query.expiring, next_page=more)


def _facts(token: AppToken) -> dict[str, Any]:
    return {
        "uuid": token.uuid,
        "title": token.title,
        "last_accessed": token.last_accessed_at,
        "created": token.created_at,
        "expiration": token.expires_at,
    }


def _owner(token: AppToken) -> TokenOwner:
    return TokenOwner(name=token.account.name, avatar=avatar_of(token.account))
