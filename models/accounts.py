"""What people change about their own account."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select

from config.settings import Settings
from models import audit, letters, recovery
from models.access import Identity, find_account
from models.authentication import Superusers
from models.errors import Conflict, Forbidden, Invalid
from models.names import check_email, check_namespace
from models.organizations import check_tag_expiration
from models.session import Session
from models.tables import Robot, User
from models.users import set_password

PROFILE = ("given_name", "family_name", "company", "location")


def change_account(
    session: Session, settings: Settings, user: User, changes: Mapping[str, Any], *, actor: Identity
) -> None:
    """Change what `changes` names, as far as the settings let people change it. Invalid, Conflict, Forbidden.

    Of a password it has the hash.

    Quay operation changeUserDetails. A token cannot change by what its user signs in: it would outlive itself.
    """
    if actor.scopes is not None and not changes.keys().isdisjoint({"password", "email"}):
        raise Forbidden("Password and e-mail address are changed in a browser session, not with an access token")
    for name, change in _CHANGES.items():
        if name in changes:
            change(session, settings, user, changes[name], actor)
    profile = {name: changes[name] for name in PROFILE if name in changes}
    if profile and settings.FEATURE_USER_METADATA:
        _change_profile(session, user, profile, actor)


def rename(
    session: Session, settings: Settings, superusers: Superusers, user: User, name: str, *, actor: Identity
) -> None:
    """Let the user have another name, where that is allowed, or say that the present one is right.

    Invalid, Conflict, Forbidden.
    """
    if name == user.name:
        _answered(user, "confirm_username")
        return
    if not (settings.FEATURE_USER_RENAME or _is_asked(settings, user)):
        raise Invalid("username: names cannot be changed here")
    check_namespace(name)
    if not superusers.names.isdisjoint({name, user.name}):
        raise Forbidden("The names of superusers are given by whoever runs this registry")
    if find_account(session, name) is not None:
        raise Conflict("Username is already in use")
    session.execute(select(User.id).where(User.id == user.id).with_for_update())  # no robot is made meanwhile
    former, user.name = user.name, name
    for robot in session.scalars(select(Robot).where(Robot.owner_id == user.id)):
        robot.name = f"{name}+{robot.shortname}"
    _answered(user, "confirm_username")
    session.flush()
    audit.record(session, "user_change_name", actor=actor, namespace=user, old_username=former)


def _is_asked(settings: Settings, user: User) -> bool:
    return settings.FEATURE_USERNAME_CONFIRMATION and "confirm_username" in (user.prompts or [])


def _answered(user: User, prompt: str) -> None:
    user.prompts = [other for other in user.prompts or [] if other != prompt] or None


def _change_password(session: Session, settings: Settings, user: User, password_hash: str, actor: Identity) -> None:
    set_password(session, user, password_hash)
    audit.record(session, "account_change_password", actor=actor, namespace=user)
    if settings.FEATURE_MAILING and user.email is not None:
        letters.password_changed(session, settings, user, to=user.email)


def _change_email(session: Session, settings: Settings, user: User, email: str, actor: Identity) -> None:
    if email == user.email:
        return
    if settings.FEATURE_MAILING:
        recovery.request_address(session, settings, user, email)
    else:
        recovery.change_address(session, user, email, actor=actor)


def _change_invoicing(session: Session, _: Settings, user: User, wanted: bool, actor: Identity) -> None:
    user.invoice_email = wanted
    audit.record(session, "user_change_invoicing", actor=actor, namespace=user, invoice_email=wanted)


def _change_invoice_address(session: Session, _: Settings, user: User, address: str | None, actor: Identity) -> None:
    if address == user.invoice_email_address:
        return
    user.invoice_email_address = check_email(address) if address else None
    audit.record(session, "user_change_invoicing", actor=actor, namespace=user, invoice_email_address=address)


def _change_tag_expiration(session: Session, settings: Settings, user: User, seconds: int, actor: Identity) -> None:
    if not settings.FEATURE_CHANGE_TAG_EXPIRATION or seconds == user.tag_expiration_s:
        return
    user.tag_expiration_s = check_tag_expiration(settings, seconds)
    audit.record(session, "user_change_tag_expiration", actor=actor, namespace=user, tag_expiration=seconds)


def _change_profile(session: Session, user: User, profile: dict[str, str | None], actor: Identity) -> None:
    for name, value in profile.items():
        setattr(user, name, value or None)
    for prompt, answers in (("enter_name", {"given_name", "family_name"}), ("enter_company", {"company"})):
        if answers & profile.keys():
            _answered(user, prompt)
    told: dict[str, Any] = dict(profile)
    audit.record(session, "user_change_metadata", actor=actor, namespace=user, **told)


_CHANGES: Mapping[str, Callable[[Session, Settings, User, Any, Identity], None]] = {
    "password": _change_password,
    "invoice_email": _change_invoicing,
    "tag_expiration_s": _change_tag_expiration,
    "invoice_email_address": _change_invoice_address,
    "email": _change_email,
}
"""In Quay's order."""
