"""The mails that ask or tell a person something: their words, and where their links lead."""

from urllib.parse import urlencode

from config.settings import Settings
from models import mail
from models.session import Session
from models.tables import Organization, Repository, User
from models.tables.base import now


def confirm_address(session: Session, settings: Settings, user: User, code: str, *, to: str) -> None:
    """Ask for confirmation of the address."""
    _send(
        session,
        settings,
        to,
        "Please confirm your e-mail address",
        f"Somebody, hopefully you, gave this address for the account {user.name}.",
        f"To confirm that it is yours, open:\n\n  {_link(settings, '/confirm', code)}",
        "If it was not you, do nothing: without confirmation the address is not used.",
    )


def recover_account(session: Session, settings: Settings, user: User, code: str, *, to: str) -> None:
    """Offer a new password."""
    until = (now() + settings.recovery_lifetime).strftime("%d %B %Y, %H:%M UTC")
    _send(
        session,
        settings,
        to,
        "A new password for your account",
        f"Somebody, hopefully you, asked for a new password for the account {user.name}.",
        f"To choose one, open this page by {until}:\n\n  {_link(settings, '/recovery', code)}",
        "If it was not you, do nothing: your password stays as it is.",
    )


def name_administrators(
    session: Session, settings: Settings, organization: Organization, administrators: list[str], *, to: str
) -> None:
    """Tell who can sign in for an organization, which itself cannot."""
    _send(
        session,
        settings,
        to,
        "Your organization's administrators",
        f"Somebody asked for a new password by this address, which is that of the organization {organization.name}.",
        f"Nobody signs in as an organization. These users administer it: {', '.join(administrators)}.",
    )


def password_changed(session: Session, settings: Settings, user: User, *, to: str) -> None:
    """Tell the owner of the account, who may not have done it."""
    _send(
        session,
        settings,
        to,
        "Your password was changed",
        f"The password of the account {user.name} was changed, and all its browser sessions have ended.",
        f"If it was not you, ask for a new password at {settings.url}/recovery",
    )


def address_changed(session: Session, settings: Settings, user: User, *, to: str) -> None:
    """Tell the former address."""
    _send(
        session,
        settings,
        to,
        "Your e-mail address was changed",
        f"The e-mail address of the account {user.name} was changed; mail goes to the new one from now on.",
        "If it was not you, please write to whoever runs this registry.",
    )


def agree_to_notifications(
    session: Session, settings: Settings, repository: Repository, code: str, *, to: str, asked_by: str
) -> None:
    """Ask whoever reads the address whether notifications of the repository may come there."""
    _send(
        session,
        settings,
        to,
        "May we write to you about a repository?",
        f"{asked_by} would like notifications of the repository {repository.path} to be sent to this address.",
        f"If you want them, open within a week:\n\n  {_link(settings, '/authrepoemail', code)}",
        "If you do not, do nothing: without your consent nothing is sent.",
    )


def _send(session: Session, settings: Settings, to: str, subject: str, *paragraphs: str) -> None:
    signature = f"-- \n{settings.REGISTRY_TITLE}, {settings.url}"
    text = "\n\n".join([*paragraphs, signature]) + "\n"
    mail.send(session, to=to, subject=f"{settings.REGISTRY_TITLE}: {subject}", text=text)


def _link(settings: Settings, path: str, code: str) -> str:
    return f"{settings.url}{path}?{urlencode({'code': code})}"
