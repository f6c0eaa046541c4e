"""The keys about people: how they sign in, and what accounts they may have."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from config.group import Group
from config.kinds import Duration, Flag, HttpUrl, Kind, Names, Password, Seconds, Text


class SignInKeys(Group):
    title = "Signing in"

    FRESH_LOGIN_TIMEOUT: Duration = Field(
        default="10m",
        description="How long after the password was given a browser session may do what is dangerous, such as "
        "changing the password. After that it has to be given again.",
    )
    FEATURE_PERMANENT_SESSIONS: Flag = Field(
        default=True, description="Browsers stay signed in when they are closed and opened again."
    )
    PERMANENT_SESSION_LIFETIME: Seconds = Field(
        default=31 * 24 * 3600, description="Longest time that a browser stays signed in, in seconds."
    )
    SESSION_IDLE_TIME: Duration = Field(
        default="2w", description="How long a browser stays signed in without being used."
    )
    ACTION_LOG_AUDIT_LOGINS: Flag = Field(
        default=True, description="The action log tells who signed in and out with a browser."
    )
    ACTION_LOG_AUDIT_LOGIN_FAILURES: Flag = Field(
        default=False, description="The action log tells of failed attempts to sign in with a browser too."
    )
    ACTION_LOG_AUDIT_PULL_FAILURES: Flag = Field(
        default=False, description="The action log tells of refused pulls of people and robots that are known."
    )
    ACTION_LOG_AUDIT_PUSH_FAILURES: Flag = Field(
        default=False, description="The action log tells of refused pushes of manifests."
    )
    ACTION_LOG_AUDIT_DELETE_FAILURES: Flag = Field(
        default=False, description="The action log tells of refused deletions of tags and manifests by container tools."
    )
    FEATURE_DIRECT_LOGIN: Flag = Field(
        default=True,
        description="People sign in with a browser by a password kept here. When false, only by other services.",
    )


class LoginService(BaseModel):
    """A service by which people sign in: an OpenID Connect provider, in Quay's spelling."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    OIDC_SERVER: HttpUrl = Field(description="The provider's address: what its discovery document stands below.")
    OIDC_ISSUER: HttpUrl | None = Field(
        default=None, description="What its tokens say it is, where that is another address than OIDC_SERVER."
    )
    CLIENT_ID: Text = Field(description="What the provider calls this registry.")
    CLIENT_SECRET: Password | None = Field(
        default=None, description="The password that goes with it. Not set: a public client, which PKCE alone protects."
    )
    SERVICE_NAME: Text | None = Field(default=None, description="Name shown to people. Not set: from the key.")
    SERVICE_ICON: Text | None = Field(default=None, description="Accepted for Quay's configurations; not shown.")
    LOGIN_SCOPES: Names = Field(
        default=("openid", "profile", "email"), description="What is asked for; `openid` is needed."
    )
    PREFERRED_USERNAME_CLAIM_NAME: Text = Field(
        default="preferred_username", description="The claim that suggests a new user's name."
    )
    VERIFIED_EMAIL_CLAIM_NAME: Text | None = Field(
        default=None,
        description="The claim with an address that the provider has verified. Not set: `email`, if `email_verified`.",
    )


_LOGIN_SERVICE = Kind("mapping", "a mapping with OIDC_SERVER, CLIENT_ID and, if need be, further keys")
LOGIN_CONFIG = "_LOGIN_CONFIG"
LoginServiceKey = Annotated[LoginService, _LOGIN_SERVICE]
"""The type of a key such as KEYCLOAK_LOGIN_CONFIG, whose first part names the service."""


class AccountKeys(Group):
    title = "Accounts of people"

    FEATURE_USER_CREATION: Flag = Field(default=True, description="Anybody may create an account.")
    FEATURE_INVITE_ONLY_USER_CREATION: Flag = Field(
        default=False, description="Only who was invited to a team by mail may create an account."
    )
    FEATURE_BLACKLISTED_EMAILS: Flag = Field(
        default=False, description="Nobody creates an account with an address in BLACKLISTED_EMAIL_DOMAINS."
    )
    BLACKLISTED_EMAIL_DOMAINS: Names = Field(
        default=(), description="Domains of addresses, subdomains included, for FEATURE_BLACKLISTED_EMAILS."
    )
    FEATURE_USER_INITIALIZE: Flag = Field(
        default=False,
        description="While there is no user, `POST /api/v1/user/initialize` creates the first one, a superuser.",
    )
    FEATURE_USER_RENAME: Flag = Field(default=False, description="Users may change their own name.")
    FEATURE_USERNAME_CONFIRMATION: Flag = Field(
        default=True, description="Who came by another service is asked once to confirm or change the user name."
    )
    FEATURE_USER_METADATA: Flag = Field(
        default=False, description="Users are asked for name and company, and may tell them."
    )
    FEATURE_CHANGE_TAG_EXPIRATION: Flag = Field(
        default=True, description="Users and organizations may choose for how long deleted tags can be restored."
    )
    USER_RECOVERY_TOKEN_LIFETIME: Duration = Field(
        default="30m", description="How long the link in a mail for a forgotten password works."
    )
