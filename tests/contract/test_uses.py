"""When an app token or a robot signed in last is known to the minute, and costs a write no more often."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from models.authentication import identify_basic
from models.errors import Unauthenticated
from models.tables import Account, AppToken
from models.tables.base import now
from tests.factories.answers import counted
from tests.factories.api import Api

BACK = {"last_accessed_at": now() - timedelta(minutes=2)}


def app_token(api: Api) -> tuple[str, str, Callable[[], Any]]:
    """Its user name and password, and what tells of its last use."""
    made = api.post("/user/apptoken", {"title": "laptop"}, by="stranger").body["token"]
    return "$app", made["token_code"], lambda: api.get("/user/apptoken", by="stranger").body["tokens"][0]


def robot(api: Api) -> tuple[str, str, Callable[[], Any]]:
    made = api.put("/organization/acme/robots/ci", {}, by="owner").body
    return made["name"], made["token"], lambda: api.get("/organization/acme/robots/ci", by="owner").body


@pytest.mark.parametrize(("make", "table"), [(app_token, AppToken), (robot, Account)])
def test_a_use_is_noted_once_a_minute(api: Api, make: Callable[[Api], Any], table: type[AppToken | Account]) -> None:
    name, password, shown = make(api)

    def written() -> int:
        with counted(api) as statements:
            identify_basic(api.database, api.services.superusers, name, password)
        return sum(text.startswith("UPDATE") for text in statements)

    assert shown()["last_accessed"] is None
    with pytest.raises(Unauthenticated):
        identify_basic(api.database, api.services.superusers, name, "wrong")
    assert shown()["last_accessed"] is None
    assert [written(), written()] == [1, 0]
    first = shown()["last_accessed"]
    assert first.endswith("-0000")
    with api.database.write() as session:
        session.execute(update(table).values(BACK))
    assert shown()["last_accessed"] <= first
    assert written() == 1
