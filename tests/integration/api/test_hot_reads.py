"""The hot reads on PostgreSQL, where they speak to the server without its driver."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import migrate
from models.access import find_account
from models.quota_limits import create_limit, create_quota
from models.session import Database
from models.tables import ExternalLogin, User
from models.vault import Vault
from tests.factories.accounts import identity_of
from tests.factories.api import Api, make_app, make_services
from tests.factories.database import KEY
from tests.factories.hot_reads import PATHS, assert_same, hot_reads
from tests.factories.pusher import Pusher
from tests.factories.world import make_world

BY = ("owner", "member", "reader", "writer", "stranger", "root")


@pytest.fixture
def api(fresh_postgres_url: str, tmp_path: Path) -> Iterator[Api]:
    database = Database(fresh_postgres_url, Vault([KEY]))
    migrate.upgrade(database)
    with database.write() as session:
        make_world(session)
        owner = find_account(session, "owner")
        assert isinstance(owner, User)
        owner.prompts, owner.given_name = ["enter_company"], "Zoë"
        session.add(ExternalLogin(account_id=owner.id, service="github", subject="17", details={"name": "ø", "n": [1]}))
        for namespace in (owner, find_account(session, "acme")):
            assert namespace is not None
            quota = create_quota(session, namespace, 1 << 40, actor=identity_of(owner))
            create_limit(session, namespace, quota, "Warning", 80, actor=identity_of(owner))
            create_limit(session, namespace, quota, "Reject", 100, actor=identity_of(owner))
        actor = identity_of(owner)
    settings = {"FEATURE_QUOTA_MANAGEMENT": True}
    services = make_services(database, tmp_path, **settings)
    pusher = Pusher(services, actor)
    pusher.image("v1", b"layer")
    pusher.index("list", pusher.image("v2", b"other"))
    pusher.untag("v1")
    yield Api(make_app(services))
    database.dispose()


def test_they_say_what_the_views_say(api: Api) -> None:
    with hot_reads(api) as hot:
        for by in BY:
            for path in PATHS:
                assert_same(*hot.both(path, by=by))


def test_a_database_that_went_away_is_asked_again(api: Api) -> None:
    with hot_reads(api) as hot:
        assert hot.both("/user/", by="owner")[0] is not None
        with api.database.engine.connect() as connection:
            others = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
            )
            connection.exec_driver_sql(f"{others} current_database()")
        assert hot.ask("/user/", by="owner") is None  # the views ask by themselves
        assert api.get("/user/", by="owner").status == 200
