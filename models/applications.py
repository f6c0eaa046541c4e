"""OAuth applications of organizations: programs that act for people who consent."""

import re
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import contains_eager, joinedload

from models import audit
from models.access import Identity
from models.errors import Invalid, NotFound
from models.session import Session
from models.tables import Account, OAuthApplication, Organization
from models.vault import new_token

CLIENT_ID_LENGTH = 20
SECRET_LENGTH = 40
LONGEST_URI = 2048
MOST_LISTED = 500
"""Applications in one answer; Quay puts all of them into it."""
# RFC 3986: what a URI is made of. What programs read differently, such as spaces and backslashes, is not in it.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_NOT_FOR_REDIRECTS = {"about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"}


def create_application(
    session: Session,
    organization: Organization,
    name: str,
    *,
    redirect_uri: str = "",
    application_uri: str = "",
    description: str = "",
    avatar_email: str | None = None,
    actor: Identity,
) -> OAuthApplication:
    """A new application with an id and a secret. Invalid: a field. Quay operation createOrganizationApplication."""
    application = OAuthApplication(
        client_id=new_token(CLIENT_ID_LENGTH),
        encrypted_secret=session.vault.encrypt(new_token(SECRET_LENGTH)),
        organization=organization,
        name=_check_name(name),
        redirect_uri=check_redirect_uri(redirect_uri),
        application_uri=application_uri,
        description=description,
        avatar_email=avatar_email,
    )
    session.add(application)
    session.flush()
    _record(session, "create_application", application, actor, **_described(application))
    return application


def find_application(session: Session, client_id: str) -> OAuthApplication | None:
    """The application of that id, its organization loaded with it."""
    query = select(OAuthApplication).options(joinedload(OAuthApplication.organization))
    return session.scalar(query.where(OAuthApplication.client_id == client_id))


def shown_application(session: Session, client_id: str) -> OAuthApplication:
    """The application, whose name and purpose anybody may see who has its id; NotFound."""
    application = find_application(session, client_id)
    if application is None:
        raise NotFound("Not Found")
    return application


def get_application(session: Session, organization: Organization, client_id: str) -> OAuthApplication:
    """The organization's application of that id; NotFound."""
    application = session.scalar(
        select(OAuthApplication)
        .join(OAuthApplication.organization)
        .options(contains_eager(OAuthApplication.organization))
        .where(OAuthApplication.organization_id == organization.id, OAuthApplication.client_id == client_id)
    )
    if application is None:
        raise NotFound("Not Found")
    return application


def list_applications(
    session: Session, organization: Account, *, after: int = 0, limit: int = MOST_LISTED
) -> list[OAuthApplication]:
    """The organization's applications by age, from the one after id `after`."""
    query = select(OAuthApplication).where(
        OAuthApplication.organization_id == organization.id, OAuthApplication.id > after
    )
    return list(session.scalars(query.order_by(OAuthApplication.id).limit(limit)))


def change_application(
    session: Session,
    application: OAuthApplication,
    *,
    name: str,
    redirect_uri: str,
    application_uri: str,
    description: str = "",
    avatar_email: str | None = None,
    actor: Identity,
) -> None:
    """Set everything that describes the application. Invalid. Quay operation updateOrganizationApplication."""
    application.name = _check_name(name)
    application.redirect_uri = check_redirect_uri(redirect_uri)
    application.application_uri = application_uri
    application.description = description
    application.avatar_email = avatar_email
    _record(session, "update_application", application, actor, **_described(application))


def reset_secret(session: Session, application: OAuthApplication, *, actor: Identity) -> None:
    """Give the application a new secret; the old one is void at once, tokens live on.

    Quay operation resetOrganizationApplicationClientSecret.
    """
    application.encrypted_secret = session.vault.encrypt(new_token(SECRET_LENGTH))
    _record(session, "reset_application_client_secret", application, actor)


def remove_application(session: Session, application: OAuthApplication, *, actor: Identity) -> None:
    """Remove the application, and with it every token it was given. Quay operation deleteOrganizationApplication."""
    _record(session, "delete_application", application, actor)
    session.flush()
    session.delete(application)


def clear_secret(session: Session, application: OAuthApplication) -> str:
    """The application's secret as it is presented; empty if it has none."""
    return session.vault.decrypt(application.encrypted_secret) if application.encrypted_secret else ""


def check_redirect_uri(uri: str) -> str:
    """The address, if browsers may be sent back to it (RFC 6749, section 3.1.2); empty is none. Invalid."""
    if not uri:
        return uri
    if len(uri) > LONGEST_URI or not _URI.fullmatch(uri):
        raise Invalid(
            f"redirect_uri: expected an address with its scheme, such as https://app.example.com/callback, "
            f"of at most {LONGEST_URI} characters"
        )
    if "#" in uri:
        raise Invalid("redirect_uri: expected an address without a fragment (#)")
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError as error:
        raise Invalid("redirect_uri: the host is not a valid name or address") from error
    if parts.scheme in _NOT_FOR_REDIRECTS:
        raise Invalid(f"redirect_uri: browsers are not sent to {parts.scheme}: addresses")
    if parts.scheme in {"http", "https"} and (not host or "@" in parts.netloc):
        raise Invalid("redirect_uri: expected a host name, without a user name or password")
    return uri


def _check_name(name: str) -> str:
    if not 1 <= len(name) <= 255 or not name.isprintable():
        raise Invalid("name: expected 1 to 255 printable characters")
    return name


def _described(application: OAuthApplication) -> dict[str, str | None]:
    fields = ("name", "redirect_uri", "application_uri", "description", "avatar_email")
    return {field: getattr(application, field) for field in fields}


def _record(session: Session, kind: str, application: OAuthApplication, actor: Identity, **described: Any) -> None:
    audit.record(
        session,
        kind,
        actor=actor,
        namespace=application.organization,
        application_name=application.name,
        client_id=application.client_id,
        **described,
    )
