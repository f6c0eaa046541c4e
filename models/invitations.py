"""Invitations to teams: sent by mail and shown to users, accepted or declined by whom they are meant for.

An e-mail address is invited whether or not anybody here has it yet: the invitation waits for a user who does, and has
shown that it is theirs. Users who are in no team of the organization are invited, too, where the installation wants so.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import contains_eager

from config.settings import Settings
from models import audit, mail, teams
from models.access import Identity, find_account
from models.dialect import insert_new
from models.errors import Invalid
from models.session import Session
from models.tables import Account, Invitation, Team, TeamMember, User
from models.tables.base import now
from models.user_notifications import notify, withdraw
from models.vault import new_token

NOTICE = "org_team_invite"
MOST_PENDING = 1000
"""Invitations of one organization that wait at a time: they make us send mail to anybody."""
RESENT_AFTER = timedelta(minutes=1)
LONGEST_ADDRESS = 255
Guest = User | str
"""Who is invited: a user, or an e-mail address."""


def list_invitations(session: Session, team: Team) -> Sequence[Invitation]:
    """Who was invited to the team and has not answered, users first, by name or address."""
    query = select(Invitation).where(Invitation.team_id == team.id).outerjoin(Invitation.account)
    ordered = query.order_by(Invitation.email.is_not(None), Account.name, Invitation.email)
    return session.scalars(ordered.options(contains_eager(Invitation.account))).all()


def add_or_invite(
    session: Session, settings: Settings, team: Team, name: str, *, actor: Identity
) -> tuple[Account, bool]:
    """Put a user or robot into the team, or invite a user who is new to the organization; whether it was invited.

    Invalid, Conflict. FEATURE_REQUIRE_TEAM_INVITE; Quay operation updateOrganizationTeamMember.
    """
    account = find_account(session, name)
    invites = settings.FEATURE_MAILING and settings.FEATURE_REQUIRE_TEAM_INVITE
    if not invites or not isinstance(account, User) or teams.teams_of(session, team.organization, account.id):
        return teams.add_member(session, team, name, actor=actor), False
    _invite(session, settings, team, account, actor)
    _record(session, "org_invite_team_member", team, actor, user=name, member=name)
    return account, True


def invite_address(session: Session, settings: Settings, team: Team, email: str, *, actor: Identity) -> None:
    """Invite whoever has the address; again if it was. Invalid: too long, or too many wait already.

    Quay operation inviteTeamMemberEmail.
    """
    if len(email) > LONGEST_ADDRESS:
        raise Invalid(f"email: expected at most {LONGEST_ADDRESS} characters")
    _invite(session, settings, team, email, actor)
    _record(session, "org_invite_team_member", team, actor, email=email, member=email)


def withdraw_address(session: Session, team: Team, email: str, *, actor: Identity) -> None:
    """Take back the invitation of an address; no error if there is none. Quay operation deleteTeamMemberEmailInvite."""
    invitation = _find(session, team, email)
    if invitation is not None:
        _end(session, invitation)
        _record(session, "org_delete_team_member_invite", team, actor, email=email, member=email)


def remove_or_withdraw(session: Session, team: Team, name: str, *, actor: Identity) -> None:
    """Take back a user's invitation or, if there is none, the place in the team. Invalid, Conflict.

    Quay operation deleteOrganizationTeamMember.
    """
    account = find_account(session, name)
    invitation = _find(session, team, account) if isinstance(account, User) else None
    if invitation is None:
        teams.remove_member(session, team, name, actor=actor)
        return
    _end(session, invitation)
    _record(session, "org_delete_team_member_invite", team, actor, user=name, member=name)


def get_invitation(session: Session, user: User, code: str) -> Invitation:
    """The invitation with this code, for the user whom it is meant for; Invalid for anybody else."""
    known = Invitation.code_hash.in_(session.vault.fingerprints(code))
    invitation = session.scalar(select(Invitation).where(known, _for(user)))
    if invitation is None:
        raise Invalid("Invalid confirmation code.")
    return invitation


def shows_address(session: Session, code: str | None, email: str | None) -> bool:
    """Whether the code was mailed to the address, so that who knows it reads the mail there."""
    if not code or not email:
        return False
    known = Invitation.code_hash.in_(session.vault.fingerprints(code))
    return session.scalar(select(Invitation.id).where(known, Invitation.email == email)) is not None


def is_invited(session: Session, email: str) -> bool:
    """Whether an invitation waits for who has the address."""
    return session.scalar(select(Invitation.id).where(Invitation.email == email).limit(1)) is not None


def accept(session: Session, user: User, code: str, *, actor: Identity) -> Team:
    """Join the team, and the others of the same organization that the user is invited to. Invalid.

    Quay operation acceptOrganizationTeamInvite.
    """
    team = get_invitation(session, user, code).team
    same = select(Invitation).join(Invitation.team).where(Team.organization_id == team.organization_id, _for(user))
    for invitation in session.scalars(same.order_by(Invitation.id)).all():
        insert_new(session, TeamMember, [{"team_id": invitation.team_id, "account_id": user.id}])
        _record_answer(session, "org_team_member_invite_accepted", invitation, user, actor)
        _end(session, invitation)
    return team


def decline(session: Session, user: User, code: str, *, actor: Identity) -> None:
    """Refuse to join the team. Invalid. Quay operation declineOrganizationTeamInvite."""
    invitation = get_invitation(session, user, code)
    _record_answer(session, "org_team_member_invite_declined", invitation, user, actor)
    _end(session, invitation)


def _for(user: User) -> ColumnElement[bool]:
    """The condition on invitations that the user may answer: an address counts once it is known to be the user's."""
    mine = Invitation.account_id == user.id
    return or_(mine, Invitation.email == user.email) if user.email is not None and user.verified else mine


def _find(session: Session, team: Team, guest: Guest) -> Invitation | None:
    column = Invitation.account_id == guest.id if isinstance(guest, User) else Invitation.email == guest
    return session.scalar(select(Invitation).where(Invitation.team_id == team.id, column))


def _invite(session: Session, settings: Settings, team: Team, guest: Guest, actor: Identity) -> None:
    invitation = _find(session, team, guest)
    if invitation is not None and now() - invitation.sent_at < RESENT_AFTER:
        return
    if invitation is None:
        _check_number(session, team)
        invitation = Invitation(team_id=team.id)
        if isinstance(guest, User):
            invitation.account_id = guest.id
        else:
            invitation.email = guest
        session.add(invitation)
    code = new_token()
    invitation.code_hash = session.vault.fingerprint(code)
    invitation.inviter_id, invitation.sent_at = actor.account_id, now()
    session.flush()
    _tell(session, settings, invitation, code, actor)


def _check_number(session: Session, team: Team) -> None:
    waiting = select(Invitation.id).join(Invitation.team).where(Team.organization_id == team.organization_id)
    count = session.scalars(select(func.count()).select_from(waiting.limit(MOST_PENDING).subquery())).one()
    if count >= MOST_PENDING:
        raise Invalid(f"{MOST_PENDING} people have not answered their invitations yet; withdraw some of them first")


def _tell(session: Session, settings: Settings, invitation: Invitation, code: str, actor: Identity) -> None:
    """Send the code by mail, and to the notices of a user who is known to be meant."""
    team, user = invitation.team, _guest_of(session, invitation)
    organization, inviter = team.organization.name, actor.name
    if user is not None:
        withdraw(session, user, NOTICE, org=organization, team=team.name)
        notify(session, user, NOTICE, {"code": code, "inviter": inviter, "org": organization, "team": team.name})
    address = user.email if user else invitation.email
    if settings.FEATURE_MAILING and address and mail.is_address(address):
        text = _TEXT.format(
            inviter=inviter,
            organization=organization,
            team=team.name,
            title=settings.REGISTRY_TITLE,
            link=f"{settings.url}/confirminvite?code={code}",
        )
        mail.send(session, to=address, subject=f"{inviter} invites you to {organization}", text=text)


_TEXT = """Hello,

{inviter} invites you to join the team {team} of the organization {organization} on {title}.

To answer, open this page and sign in:

{link}

If you do not know what this is about, you need not do anything.
"""


def _guest_of(session: Session, invitation: Invitation) -> User | None:
    """The user who is meant: by name, or because the address is known to be theirs."""
    if invitation.account_id is not None:
        return session.get(User, invitation.account_id)
    return session.scalar(select(User).where(User.email == invitation.email, User.verified))


def _end(session: Session, invitation: Invitation) -> None:
    user = _guest_of(session, invitation)
    if user is not None:
        withdraw(session, user, NOTICE, org=invitation.team.organization.name, team=invitation.team.name)
    session.delete(invitation)


def _record_answer(session: Session, kind: str, invitation: Invitation, user: User, actor: Identity) -> None:
    inviter = invitation.inviter.name if invitation.inviter else None
    _record(session, kind, invitation.team, actor, member=user.name, inviter=inviter)


def _record(session: Session, kind: str, team: Team, actor: Identity, **detail: str | None) -> None:
    audit.record(
        session, kind, actor=actor, namespace=team.organization, repository=None, team=team.name, **dict(detail)
    )
