"""The ways in which somebody can be told of an event, and what each needs to know.

Messages are Quay's where Quay has one for the case.
"""

import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import and_, or_, select

from models.addresses import Allowed, refusal
from models.errors import Invalid
from models.json_template import JsonTemplate
from models.mail import check_address
from models.session import Session
from models.tables import Account, Organization, Repository, RepositoryEmail, Team, TeamMember, User

LARGEST_CONFIG = 32 * 1024
_PORTS = {"http": 80, "https": 443}
_GONE = {"flowdock", "hipchat"}


@dataclass(frozen=True)
class Subject:
    """What is told of: a repository, or (None) the whole namespace."""

    namespace: Account
    repository: Repository | None = None

    @property
    def path(self) -> str:
        return self.repository.path if self.repository else self.namespace.name


@dataclass(frozen=True)
class Terms:
    """What a check goes by. `allowed`: the private hosts that a webhook may be on."""

    subject: Subject
    allowed: Allowed


def check_method(session: Session, terms: Terms, method: str, config: dict[str, Any]) -> None:
    """Invalid if there is no such method or it cannot do with the configuration."""
    if method in _GONE:
        raise Invalid(f"method: the service {method} does not exist any more; use a webhook")
    if method not in METHODS:
        raise Invalid(f"method: expected one of {', '.join(METHODS)}")
    if len(json.dumps(config)) > LARGEST_CONFIG:
        raise Invalid(f"config: expected at most {LARGEST_CONFIG} bytes of JSON")
    METHODS[method](session, terms, config)


def find_targets(session: Session, namespace: Account, config: dict[str, Any]) -> list[Account]:
    """Who a notification inside of the product is for; Invalid tells who is not there."""
    target = config.get("target")
    if not isinstance(target, dict) or not isinstance(target.get("kind"), str):
        raise Invalid("Missing target")
    find = _TARGETS.get(target["kind"])
    if find is None:
        raise Invalid("target.kind: expected user, org or team")
    return find(session, namespace, _text(target, "name"))


def _check_in_product(session: Session, terms: Terms, config: dict[str, Any]) -> None:
    find_targets(session, terms.subject.namespace, config)


def _check_email(session: Session, terms: Terms, config: dict[str, Any]) -> None:
    email = _text(config, "email")
    if not email:
        raise Invalid("Missing e-mail address")
    if not _agreed(session, terms.subject, check_address(email)):
        what = "repository" if terms.subject.repository else "namespace"
        raise Invalid(f"The specified e-mail address is not authorized to receive notifications for this {what}")


def _agreed(session: Session, subject: Subject, email: str) -> bool:
    """Whether the owner of the address has agreed: for this repository, or by being a user of the namespace."""
    if subject.repository is not None:
        query = select(RepositoryEmail.id).where(
            RepositoryEmail.repository_id == subject.repository.id,
            RepositoryEmail.email == email,
            RepositoryEmail.confirmed,
        )
        return session.scalar(query) is not None
    members = (
        select(TeamMember.account_id)
        .join(Team, Team.id == TeamMember.team_id)
        .where(Team.organization_id == subject.namespace.id)
    )
    belongs = or_(User.id == subject.namespace.id, User.id.in_(members))
    return session.scalar(select(User.id).where(and_(User.email == email, User.verified, belongs))) is not None


def _check_webhook(_: Session, terms: Terms, config: dict[str, Any]) -> None:
    url = _text(config, "url")
    if not url:
        raise Invalid("Missing webhook URL")
    check_url(url, terms.allowed, "Invalid webhook URL", login=True)
    template = config.get("template")
    if template is not None and not isinstance(template, str):
        raise Invalid("template: expected JSON as a text")
    if template:
        JsonTemplate.parse(template, subject="template")


def check_url(url: str, allowed: Allowed, told: str, *, login: bool = False) -> None:
    """What can be known without looking its host up; a worker checks the addresses that it has when it sends.

    `login`: the URL may have a user name and password. Invalid: `told`.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise Invalid(told) from exc
    if parts.scheme not in _PORTS or not host:
        raise Invalid(told)
    if "@" in parts.netloc and not login:
        raise Invalid(f"{told}: expected one without a user name or password")
    if not _is_allowed(host, port or _PORTS[parts.scheme], allowed):
        raise Invalid(told)


def _is_allowed(host: str, port: int, allowed: Allowed) -> bool:
    if host.rstrip(".") == "localhost":
        return allowed.names(host, port)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True  # a name
    return not refusal(host) or allowed.admits(host, port, host)


def _check_slack(_: Session, __: Terms, config: dict[str, Any]) -> None:
    if not _text(config, "url"):
        raise Invalid("Missing Slack Callback URL")


METHODS: Mapping[str, Callable[[Session, Terms, dict[str, Any]], None]] = {
    "email": _check_email,
    "quay_notification": _check_in_product,
    "slack": _check_slack,
    "webhook": _check_webhook,
}
"""Every method, and what checks its configuration."""


def _find_user(session: Session, _: Account, name: str) -> list[Account]:
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        raise Invalid(f"Unknown user {name}")
    return [user]


def _find_organization(session: Session, namespace: Account, name: str) -> list[Account]:
    organization = session.scalar(select(Organization).where(Organization.name == name))
    if organization is None:
        raise Invalid(f"Unknown organization {name}")
    if organization.id != namespace.id:
        raise Invalid("Organization name must match repository namespace")
    return [organization]


def _find_team(session: Session, namespace: Account, name: str) -> list[Account]:
    team = session.scalar(select(Team).where(Team.organization_id == namespace.id, Team.name == name))
    if team is None:
        raise Invalid(f"Unknown team {name}")
    members = select(User).join(TeamMember, TeamMember.account_id == User.id).where(TeamMember.team_id == team.id)
    return list(session.scalars(members.order_by(User.id)))


_TARGETS = {"user": _find_user, "org": _find_organization, "team": _find_team}


def _text(config: dict[str, Any], key: str) -> str:
    value = config.get(key)
    if value is not None and not isinstance(value, str):
        raise Invalid(f"{key}: expected a text")
    return value or ""
