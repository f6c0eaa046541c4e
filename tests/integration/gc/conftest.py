"""An installation on each pair of database and storage that is served in earnest, without any process of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from config.settings import Settings
from models.access import Identity
from models.authentication import Superusers
from models.migrate import upgrade
from models.session import Database
from models.tables import Organization, Robot, Team, TeamMember, User
from models.vault import Vault
from registry.services import Services
from storage.driver import StorageDriver
from storage.local import LocalStorage
from storage.opening import open_storage
from tests.factories.pusher import Pusher
from tests.services.postgres import Postgres

VAULT = Vault(["a key of the tests, long enough for one"])
SETUPS = ("sqlite-local", "postgresql-local", "postgresql-s3")


@pytest.fixture(scope="session")
def migrated_template(postgres: Postgres) -> str:
    """The name of a PostgreSQL database with our tables, to be copied."""
    url = postgres.new_database()
    database = Database(url, VAULT)
    upgrade(database)
    database.dispose()
    return url.rpartition("/")[2]


@pytest.fixture(params=SETUPS)
def setup(request: pytest.FixtureRequest) -> str:
    """Which database and storage."""
    return str(request.param)


@pytest.fixture
def database(setup: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of the set-up's kind."""
    server: Postgres | None = None
    if setup.startswith("sqlite"):
        url = f"sqlite:///{tmp_path / 'test.db'}"
    else:
        server = request.getfixturevalue("postgres")
        url = server.new_database(request.getfixturevalue("migrated_template"))
    database = Database(url, VAULT, pool_size=32)
    upgrade(database)
    yield database
    database.dispose()
    if server:
        server.drop_database(url)


@pytest.fixture
def storage(setup: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StorageDriver]:
    """An empty store of the set-up's kind."""
    if setup.endswith("s3"):
        bucket = request.getfixturevalue("fresh_s3_bucket")
        yield open_storage(bucket.storage_config()["default"], data=tmp_path)
        return
    yield LocalStorage(tmp_path / "store")
    shutil.rmtree(tmp_path / "store")


@pytest.fixture
def pusher(database: Database, storage: StorageDriver, tmp_path: Path) -> Iterator[Pusher]:
    """Pushes to acme/app as a robot that may create repositories there."""
    with database.write() as session:
        acme = Organization(name="acme")
        session.add_all([acme, User(name="stranger"), User(name="owner")])
        session.flush()
        robot = Robot(name="acme+ci", owner=acme, encrypted_token=session.vault.encrypt("T" * 64))
        team = Team(organization_id=acme.id, name="ci", role="creator")
        session.add_all([robot, team])
        session.flush()
        session.add(TeamMember(team_id=team.id, account_id=robot.id))
        actor = Identity(kind="robot", account_id=robot.id, name=robot.name)
    services = Services(
        settings=Settings(DATA=tmp_path),
        database=database,
        storage=storage,
        redis=Redis(unix_socket_path=str(tmp_path / "no-redis")),
        superusers=Superusers(),
    )
    yield Pusher(services, actor)
    services.redis.close()
