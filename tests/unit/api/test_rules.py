"""What rules demand beyond who somebody is."""

import pytest

from api.rules import fresh, superuser, user_admin
from models.access import Identity
from models.errors import StaleLogin

STALE = Identity(kind="user", account_id=1, name="ann", session_id=1, fresh=False)


def test_what_is_dangerous_needs_a_password_given_lately() -> None:
    user_admin.screen(STALE)
    for rule in (fresh(user_admin), fresh(superuser)):
        with pytest.raises(StaleLogin):
            rule.screen(STALE)


def test_fresh_sessions_and_tokens_pass() -> None:
    for caller in (
        STALE.in_session(1, fresh=True),
        Identity(kind="user", account_id=1, scopes=frozenset({"user:admin"})),
    ):
        fresh(user_admin).screen(caller)


def test_the_rule_stays_the_same_otherwise() -> None:
    assert fresh(user_admin).name == user_admin.name
    assert fresh(user_admin).scope == "user:admin"
