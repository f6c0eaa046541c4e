"""From what a caller presents to who it is."""

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple, Protocol

from sqlalchemy import bindparam, select, update

from models.access import Identity, LogDetail
from models.brakes import PASSWORD, SPRAYING, Counted, count, in_turn, refuse_while_waiting, release, site_of
from models.client_keys import looks_like_client_key, opens_client_key
from models.errors import Unauthenticated, Unconfirmed
from models.federation import is_robot_token, robot_of_token
from models.passwords import verify_password
from models.queries import Query
from models.scopes import parse_scopes
from models.session import Database, Session
from models.tables import Account, AppToken, OAuthApplication, OAuthToken, RepositoryToken, Robot, User
from models.tables.base import now

USE_NOTED_EVERY = timedelta(minutes=1)
"""How exactly it is known when an access token was used: noting it costs a write."""


class Known(Protocol):
    """What has to be known of an account to identify it."""

    @property
    def id(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def superuser(self) -> bool: ...


class Superusers:
    """Who is a superuser: by name in the configuration, or by a mark on the account."""

    def __init__(self, names: frozenset[str] = frozenset(), *, full_access: bool = False) -> None:
        self.names = names
        self.full_access = full_access

    def identify(
        self,
        account: Known,
        scopes: frozenset[str] | None = None,
        log_detail: LogDetail = (),
    ) -> Identity:
        """The identity of an account, limited to `scopes` if not None."""
        may_be = account.kind == "user" and (account.superuser or account.name in self.names)
        is_super = may_be and (scopes is None or "super:user" in scopes)
        return Identity(
            kind="robot" if account.kind == "robot" else "user",
            account_id=account.id,
            name=account.name,
            scopes=scopes,
            superuser=is_super,
            withheld=may_be and not is_super,
            full_access=is_super and self.full_access,
            log_detail=log_detail,
        )


class _Token(NamedTuple):
    """An access token, and whose it is."""

    token_id: int
    scopes: str
    expires_at: datetime | None
    last_accessed_at: datetime | None
    client_id: str
    application: str
    id: int
    kind: str
    name: str
    superuser: bool
    enabled: bool


class Use(NamedTuple):
    """A use of something that somebody signs in with: where its time is kept, and when it was used before."""

    table: type[Account | AppToken | OAuthToken]
    id: int
    before: datetime | None

    @property
    def is_to_be_noted(self) -> bool:
        """Whether it is so long since one was noted that this one is."""
        return self.before is None or now() - self.before >= USE_NOTED_EVERY


def _use_of(row: _Token) -> Use:
    return Use(OAuthToken, row.token_id, row.last_accessed_at)


@cache
def _token_query(hashes: int) -> Query[_Token]:
    """The token that has one of so many hashes."""
    statement = (
        select(OAuthToken.id, OAuthToken.scopes, OAuthToken.expires_at, OAuthToken.last_accessed_at)
        .add_columns(OAuthApplication.client_id, OAuthApplication.name)
        .add_columns(Account.id, Account.kind, Account.name, Account.superuser, Account.enabled)
        .join(OAuthToken.application)
        .join(OAuthToken.account)
        .where(OAuthToken.token_hash.in_([bindparam(f"hash_{number}") for number in range(hashes)]))
    )
    return Query(statement, _Token)


def identify_token(database: Database, superusers: Superusers, token: str) -> Identity:
    """The identity behind an OAuth access token that is used now, or a federated robot's token; Unauthenticated."""
    with database.read() as session:
        if is_robot_token(token):
            identity, use = _robot_and_use(superusers, robot_of_token(session, token))
        else:
            row = _good_token(session, token)
            identity, use = _identity_of(superusers, row), _use_of(row)
    _note(database, use)
    return identity


def identify_noted(session: Session, superusers: Superusers, token: str) -> Identity | None:
    """The same where nothing has to be written and the token is no robot's; else None. Unauthenticated."""
    if is_robot_token(token):
        return None
    row = _good_token(session, token)
    return None if _use_of(row).is_to_be_noted else _identity_of(superusers, row)


def _good_token(session: Session, token: str) -> _Token:
    hashes = {f"hash_{number}": hash_ for number, hash_ in enumerate(session.vault.fingerprints(token))}
    row = session.first(_token_query(len(hashes)), **hashes)
    if row is None:
        raise Unauthenticated("Requires authentication")
    if row.expires_at is not None and row.expires_at <= now():
        raise Unauthenticated("The access token has expired")
    if not row.enabled:
        raise Unauthenticated("Requires authentication")
    return row


def _identity_of(superusers: Superusers, row: _Token) -> Identity:
    scopes = parse_scopes(row.scopes)
    if scopes is None:
        raise Unauthenticated("Requires authentication")
    log_detail = (
        ("oauth_token_id", row.token_id),
        ("oauth_token_application_id", row.client_id),
        ("oauth_token_application", row.application),
    )
    return superusers.identify(row, scopes, log_detail)


def _robot_and_use(superusers: Superusers, robot: Robot) -> tuple[Identity, Use]:
    return superusers.identify(robot), Use(Account, robot.id, robot.last_accessed_at)


def _note(database: Database, use: Use) -> None:
    """Note the use, if the last one noted is long ago; of those who do so at the same moment, one writes."""
    if not use.is_to_be_noted:
        return
    known = use.table.last_accessed_at == use.before
    with database.write() as session:
        noting = update(use.table).where(use.table.id == use.id, known).values(last_accessed_at=now())
        session.execute(noting.execution_options(synchronize_session=False))


def identify_basic(
    database: Database,
    superusers: Superusers,
    username: str,
    password: str,
    *,
    ip: str | None = None,
    confirmed: bool = False,
) -> Identity:
    """The identity behind a user name and password as registry clients send them.

    `$oauthtoken`, `$app` and `$token` name the kind of token that the password is; a name with `+` is a robot's;
    any other is a user's, with the user's own password or a client key. Unauthenticated, TooMany.
    """
    if username == "$oauthtoken":
        return identify_token(database, superusers, password)
    special = _SPECIAL.get(username)
    if special is None and "+" in username:
        special = _robot_named(username)
    if special is not None:
        with database.read() as session:
            identity, use = special(session, superusers, password)
        if use is not None:
            _note(database, use)
        return identity
    if looks_like_client_key(password):
        with database.read() as session:
            user = find_person(session, username)
            if user is not None and user.enabled and opens_client_key(session, user, password):
                return superusers.identify(check_confirmed(user) if confirmed else user)
    return identify_user(database, superusers, username, password, ip=ip, confirmed=confirmed)


def find_person(session: Session, username: str) -> User | None:
    """The user of that name, or of that e-mail address."""
    return session.scalar(select(User).where((User.email if "@" in username else User.name) == username))


def identify_user(
    database: Database,
    superusers: Superusers,
    username: str,
    password: str,
    *,
    ip: str | None = None,
    confirmed: bool = False,
) -> Identity:
    """The user of that name (or e-mail address) and password. The password is checked outside of any transaction.

    `confirmed`: a user whose address has to be confirmed first is refused (Unconfirmed).

    After a few wrong passwords in a row for a name, whether anybody has it or not, and after many names tried from one
    address, each further try has to wait, longer each time (TooMany).
    """
    tried, site = Counted(PASSWORD, username), Counted(SPRAYING, site_of(ip))
    with database.read() as session:
        slowed = refuse_while_waiting(session, tried, site)
        user = find_person(session, username)
    with in_turn(database, slowed):
        # Checked in any case, so that the time it takes tells nothing.
        right = verify_password(password, user.password_hash if user else None)
        if user is None or not right or not user.enabled:
            if count(database, tried):
                count(database, site)
            raise Unauthenticated("Invalid Username or Password")
    if tried in slowed:
        with database.write() as session:
            release(session, tried)
    return superusers.identify(check_confirmed(user) if confirmed else user)


def check_confirmed(user: User) -> User:
    """The user, if the address needs no confirmation any more (Unconfirmed)."""
    if not user.verified:
        raise Unconfirmed("Confirm your e-mail address first, by the link in the mail that was sent there")
    return user


def _by_app_token(session: Session, superusers: Superusers, token: str) -> tuple[Identity, Use]:
    row = session.scalar(select(AppToken).where(AppToken.token_hash.in_(session.vault.fingerprints(token))))
    if row is None or (row.expires_at is not None and row.expires_at <= now()) or not row.account.enabled:
        raise Unauthenticated("Invalid or expired application token")
    log_detail = (("app_specific_token", row.uuid), ("app_specific_token_title", row.title))
    return superusers.identify(row.account, None, log_detail), Use(AppToken, row.id, row.last_accessed_at)


def _by_repository_token(session: Session, superusers: Superusers, token: str) -> tuple[Identity, None]:
    row = session.scalar(
        select(RepositoryToken).where(RepositoryToken.token_hash.in_(session.vault.fingerprints(token)))
    )
    good = row is not None and (row.expires_at is None or row.expires_at > now())
    if row is None or not good or not row.repository.namespace.enabled:
        raise Unauthenticated("Invalid or expired repository token")
    identity = Identity(
        kind="repository_token",
        name="$token",
        repository_id=row.repository_id,
        repository_role=row.role,
        log_detail=(("token", row.friendly_name),),
    )
    return identity, None


def _robot_named(name: str) -> "Special":
    def check(session: Session, superusers: Superusers, token: str) -> tuple[Identity, Use]:
        if is_robot_token(token) and (federated := robot_of_token(session, token)).name == name:
            return _robot_and_use(superusers, federated)
        robot = session.scalar(select(Robot).where(Robot.name == name))
        known = session.vault.decrypt(robot.encrypted_token) if robot and robot.encrypted_token else ""
        same = hmac.compare_digest(known.encode(), token.encode())
        if robot is None or not known or not same or not robot.enabled or not robot.owner.enabled:
            raise Unauthenticated(f"Could not find robot with username: {name} and supplied password.")
        return _robot_and_use(superusers, robot)

    return check


Special = Callable[[Session, Superusers, str], tuple[Identity, Use | None]]
_SPECIAL: dict[str, Special] = {
    "$app": _by_app_token,
    "$token": _by_repository_token,
}
