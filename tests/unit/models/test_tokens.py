"""Tokens: made once, recognized afterwards, and nothing of them kept that could be presented."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from models.access import Identity, find_account, find_repository
from models.app_tokens import code_of, create_app_token
from models.authentication import Superusers, identify_noted
from models.errors import Invalid, Unauthenticated
from models.repository_tokens import create_repository_token
from models.session import Session
from models.tables import OAuthApplication, OAuthToken, RepositoryToken, User
from models.tables.base import now
from models.tokens import create_oauth_token
from models.users import get_user

SUPERUSERS = Superusers(frozenset({"root"}))


def whose(session: Session, token: str) -> Identity:
    """The identity behind an access token that was used just now, so that nothing has to be noted of this use."""
    session.execute(update(OAuthToken).values(last_accessed_at=now()))
    found = identify_noted(session, SUPERUSERS, token)
    assert found
    return found


@pytest.fixture
def owner(session: Session, callers: dict[str, Identity]) -> User:
    return get_user(session, "owner")


def test_an_access_token_is_its_user_within_its_scopes(
    session: Session, callers: dict[str, Identity], owner: User
) -> None:
    token = create_oauth_token(session, owner, "repo:write,user:read", actor=callers["owner"])
    identity = whose(session, token)
    assert (identity.kind, identity.name) == ("user", "owner")
    assert identity.scopes == frozenset({"repo:write", "repo:read", "user:read"})
    stored = session.scalars(select(OAuthToken)).one()
    assert token not in (stored.token_hash, stored.uuid)
    assert len(token) == 40


def test_a_superusers_token_needs_the_scope(session: Session, callers: dict[str, Identity]) -> None:
    root = get_user(session, "root")
    for scopes, is_super in (("super:user", True), ("repo:admin", False)):
        token = create_oauth_token(session, root, scopes, actor=callers["root"])
        assert whose(session, token).superuser is is_super


def test_all_such_tokens_belong_to_one_application(session: Session, callers: dict[str, Identity], owner: User) -> None:
    for _ in range(2):
        create_oauth_token(session, owner, "repo:read", actor=callers["owner"])
    own = select(OAuthApplication).where(OAuthApplication.organization_id.is_(None))
    assert len(session.scalars(own).all()) == 1


@pytest.mark.parametrize("scopes", ["", " ", "repo:all", "repo:read,repo:all"])
def test_scopes_have_to_be_known(session: Session, callers: dict[str, Identity], owner: User, scopes: str) -> None:
    with pytest.raises(Invalid, match="repo:read"):
        create_oauth_token(session, owner, scopes, actor=callers["owner"])


def test_tokens_expire_and_end_with_their_user(session: Session, callers: dict[str, Identity], owner: User) -> None:
    soon = now() + timedelta(hours=1)
    token = create_oauth_token(session, owner, "repo:read", expires_at=soon, actor=callers["owner"])
    assert whose(session, token).name == "owner"
    session.scalars(select(OAuthToken)).one().expires_at = now()
    with pytest.raises(Unauthenticated, match="expired"):
        whose(session, token)
    with pytest.raises(Invalid, match="future"):
        create_oauth_token(session, owner, "repo:read", expires_at=now(), actor=callers["owner"])
    other = create_oauth_token(session, owner, "repo:read", actor=callers["owner"])
    owner.enabled = False
    with pytest.raises(Unauthenticated):
        whose(session, other)


def test_only_users_have_access_tokens(session: Session, callers: dict[str, Identity]) -> None:
    robot = find_account(session, "acme+robot")
    assert robot
    with pytest.raises(Invalid):
        create_oauth_token(session, robot, "repo:read", actor=callers["owner"])


def test_other_tokens_are_kept_as_hashes_too(session: Session, callers: dict[str, Identity], owner: User) -> None:
    row = create_app_token(session, owner, "laptop", actor=callers["owner"])
    token = code_of(session, row)
    assert token
    assert row.token_hash == session.vault.fingerprint(token)
    app = find_repository(session, "acme", "app")
    assert app
    kept, clear = create_repository_token(session, app, "ci", "write", actor=callers["owner"])
    assert kept.token_hash == session.vault.fingerprint(clear)
    assert session.scalars(select(RepositoryToken)).one().role == "write"
    with pytest.raises(Invalid):
        create_repository_token(session, app, "", "write", actor=callers["owner"])
