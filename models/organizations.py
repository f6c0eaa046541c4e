"""Organizations: create, change, remove, and who belongs to them."""

from collections.abc import Collection

from sqlalchemy import func, literal, select, update

from config.settings import Settings
from config.units import parse_duration
from models import audit
from models.access import Identity, find_account
from models.errors import Conflict, Invalid
from models.names import check_email, check_namespace
from models.removal import remove_account
from models.session import Session
from models.tables import Account, Organization, Team, TeamMember, User
from models.tables.accounts import TWO_WEEKS_S

OWNERS = "owners"
"""The team that every organization begins with."""


def create_organization(
    session: Session,
    name: str,
    *,
    owner: User,
    email: str | None,
    tag_expiration_s: int = TWO_WEEKS_S,
    actor: Identity,
) -> Organization:
    """Create an organization whose team `owners` has `owner` in it. Invalid: name or address; Conflict: name taken.

    `tag_expiration_s`: DEFAULT_TAG_EXPIRATION. Quay operation createOrganization.
    """
    check_namespace(name)
    if find_account(session, name) is not None:
        raise Conflict("A user or organization with this name already exists")
    organization = Organization(
        name=name, email=check_email(email) if email else None, tag_expiration_s=tag_expiration_s
    )
    session.add(organization)
    session.flush()
    owners = Team(organization_id=organization.id, name=OWNERS, role="admin")
    session.add(owners)
    session.flush()
    session.add(TeamMember(team_id=owners.id, account_id=owner.id))
    audit.record(session, "org_create", actor=actor, namespace=organization, email=email)
    return organization


def change_organization(
    session: Session,
    organization: Organization,
    *,
    email: str | None = None,
    invoice_email: bool | None = None,
    invoice_email_address: str | None = None,
    tag_expiration_s: int | None = None,
    actor: Identity,
) -> None:
    """Change what is not None. Invalid: an address. Quay operation changeOrganizationDetails.

    An empty `invoice_email_address`: invoices go to the organization's own address.
    """
    if email is not None and email != organization.email:
        organization.email = check_email(email)
        audit.record(session, "org_change_email", actor=actor, namespace=organization, email=email)
    if invoice_email is not None:
        organization.invoice_email = invoice_email
        audit.record(session, "org_change_invoicing", actor=actor, namespace=organization, invoice_email=invoice_email)
    if invoice_email_address is not None:
        organization.invoice_email_address = check_email(invoice_email_address) if invoice_email_address else None
        audit.record(
            session,
            "org_change_invoicing",
            actor=actor,
            namespace=organization,
            invoice_email_address=organization.invoice_email_address,
        )
    if tag_expiration_s is not None and tag_expiration_s != organization.tag_expiration_s:
        organization.tag_expiration_s = tag_expiration_s
        audit.record(
            session, "org_change_tag_expiration", actor=actor, namespace=organization, tag_expiration=tag_expiration_s
        )


def check_tag_expiration(settings: Settings, seconds: int) -> int:
    """For how long deleted tags can be restored, if the settings let a namespace choose that; Invalid."""
    options = settings.TAG_EXPIRATION_OPTIONS
    if seconds not in {parse_duration(each).total_seconds() for each in options}:
        raise Invalid(f"tag_expiration_s: expected the seconds of one of {', '.join(options)}")
    return seconds


def remove_organization(session: Session, organization: Organization, *, actor: Identity) -> None:
    """Remove the organization with its repositories, robots and teams. Quay operation deleteAdminedOrganization."""
    audit.record(session, "org_delete", actor=actor, namespace=organization)
    session.flush()
    remove_account(session, organization)


def administered_by(session: Session, user: User) -> list[Organization]:
    """The organizations that the user administers, by name."""
    mine = (
        select(Team.organization_id)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .where(TeamMember.account_id == user.id, Team.role == "admin")
    )
    return list(session.scalars(select(Organization).where(Organization.id.in_(mine)).order_by(Organization.name)))


def list_organizations(session: Session, *, after: int = 0, limit: int) -> list[Organization]:
    """Organizations by age, from the one behind id `after` on. Quay operation listAllOrganizations."""
    query = select(Organization).where(Organization.id > after).order_by(Organization.id).limit(limit)
    return list(session.scalars(query))


def rename_organization(session: Session, organization: Organization, name: str, *, actor: Identity) -> None:
    """Give the organization another name, and with it its robots. Invalid: the name; Conflict: it is taken.

    Whoever refers to it by its name has to follow: clients, images, robots' user names. Quay: changeOrganization.
    """
    if name == organization.name:
        return
    check_namespace(name)
    if find_account(session, name) is not None:
        raise Conflict("A user or organization with this name already exists")
    session.execute(select(Account.id).where(Account.id == organization.id).with_for_update())
    former, organization.name = organization.name, name
    session.flush()
    shortname = func.substr(Account.name, len(former) + 1)
    renamed = update(Account).where(Account.owner_id == organization.id).values(name=literal(name).concat(shortname))
    session.execute(renamed.execution_options(synchronize_session=False))
    audit.record(session, "org_change_name", actor=actor, namespace=organization, old_name=former, new_name=name)


def lock_organizations(session: Session, ids: Collection[int]) -> None:
    """Let nobody else change who administers these organizations until this transaction ends.

    Two who leave at the same moment would else each count on the other to stay.
    """
    rows = select(Account.id).where(Account.id.in_(ids)).order_by(Account.id)
    session.execute(rows.with_for_update(key_share=True))  # FOR NO KEY UPDATE: foreign keys to the rows do not wait


def keep_an_administrator(session: Session, organization: Account, otherwise: str) -> None:
    """Refuse a change after which no user administers the organization: Conflict, with `otherwise` as its reason."""
    session.flush()
    lock_organizations(session, [organization.id])
    administrators = (
        select(User.id)
        .join(TeamMember, TeamMember.account_id == User.id)
        .join(Team, Team.id == TeamMember.team_id)
        .where(Team.organization_id == organization.id, Team.role == "admin", User.enabled)
    )
    if session.scalar(administrators.limit(1)) is None:
        raise Conflict(otherwise)


def members_among(session: Session, organization: Account, ids: list[int]) -> set[int]:
    """Which of the accounts are in a team of the organization, or are robots of its own."""
    in_team = (
        select(TeamMember.account_id)
        .join(Team, Team.id == TeamMember.team_id)
        .where(Team.organization_id == organization.id, TeamMember.account_id.in_(ids))
    )
    own = select(Account.id).where(Account.owner_id == organization.id, Account.id.in_(ids))
    return {*session.scalars(in_team), *session.scalars(own)}
