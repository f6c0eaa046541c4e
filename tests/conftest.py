"""What tests share: real servers, started on first use and ended with the session, and one SQLite database."""

import gc
import re
from collections.abc import Generator, Iterator

import pytest
from xdist.scheduler import LoadScopeScheduling

from models.session import Database
from tests.factories.database import empty, make_database, make_database_on
from tests.services import process
from tests.services.docker_engine import DockerEngine
from tests.services.docker_engine import docker_engine as run_docker_engine
from tests.services.docker_registry import docker_registry
from tests.services.oidc import Oidc
from tests.services.oidc import oidc as run_oidc
from tests.services.postgres import Postgres
from tests.services.postgres import postgres as run_postgres
from tests.services.receiver import Receiver
from tests.services.receiver import receiver as run_receiver
from tests.services.redis import Redis
from tests.services.redis import redis as run_redis
from tests.services.s3 import S3, Bucket
from tests.services.s3 import s3 as run_s3
from tests.services.smtp import Smtp
from tests.services.smtp import smtp as run_smtp

_SET_UP = re.compile(r"[\[-](embedded|mixed|production)[\]-]")
_LOG_LINES = 60


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--postgres`: unit and contract tests on a real PostgreSQL instead of SQLite."""
    parser.addoption("--postgres", action="store_true", help="use PostgreSQL where the tests use SQLite")


def pytest_collection_finish() -> None:
    """What was imported stays: the collector of Python's garbage need not look through it again and again."""
    gc.freeze()


class _BySetUp(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types
    """Of the tests that two processes share, one file is one's; of end-to-end tests, all of one set-up.

    So a set-up and its people are started once, as in a single process.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        set_up = _SET_UP.search(test) if file.startswith("tests/e2e/") else None
        return set_up[1] if set_up else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> _BySetUp | None:
    """How `--dist loadscope` gives tests to processes."""
    return _BySetUp(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.fixture(scope="session")
def one_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A SQLite database for tests that leave it empty: what SQLAlchemy has compiled for one serves the next.

    By `--postgres` one on PostgreSQL, for those who want to know whether the same holds there.
    """
    if request.config.getoption("--postgres"):
        server: Postgres = request.getfixturevalue("postgres")
        database = make_database_on(server.new_database())
    else:
        database = make_database(tmp_path_factory.mktemp("database"))
    yield database
    database.dispose()


@pytest.fixture
def database(one_database: Database) -> Iterator[Database]:
    """An empty SQLite database, in which transactions are committed as in every other."""
    yield one_database
    one_database.on_wake = None
    empty(one_database)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; `new_database()` for a database of one's own."""
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    """A database that the whole session shares."""
    return postgres.new_database()


@pytest.fixture
def fresh_postgres_url(postgres: Postgres) -> Iterator[str]:
    """An empty database for one test."""
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A Redis server; `new_database()` for a database of one's own."""
    with run_redis() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(redis_server: Redis) -> str:
    """A database that the whole session shares."""
    return redis_server.new_database()


@pytest.fixture
def fresh_redis_url(redis_server: Redis) -> str:
    """An empty database for one test."""
    return redis_server.new_database()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """An S3 server; `new_bucket()` for a bucket of one's own."""
    with run_s3() as server:
        yield server


@pytest.fixture(scope="session")
def s3_bucket(s3: S3) -> Bucket:
    """A bucket that the whole session shares."""
    return s3.new_bucket()


@pytest.fixture
def fresh_s3_bucket(s3: S3) -> Bucket:
    """An empty bucket for one test."""
    return s3.new_bucket()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that takes what webhooks send."""
    with run_receiver() as server:
        yield server


@pytest.fixture(scope="session")
def smtp() -> Iterator[Smtp]:
    """An SMTP server; `settings` send mail there, `await_mail_to(address)` finds it."""
    with run_smtp() as server:
        yield server


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """A Docker engine that holds nothing but `base:latest`, a busybox image."""
    with run_docker_engine() as engine:
        engine.base_image()
        yield engine


@pytest.fixture(scope="session")
def docker_registry_url() -> Iterator[str]:
    """Debian's docker-registry, to compare with."""
    with docker_registry() as url:
        yield url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remember how much each server had said before the test."""
    item.stash[_marks] = {server.pid: server.log_size() for server in process.running()}
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the servers said during the test."""
    report = yield
    if report.failed:
        marks = item.stash.get(_marks, {})
        for server in process.running():
            if said := server.log_tail(_LOG_LINES, since=marks.get(server.pid, 0)):
                report.sections.append((f"log of {server.name}", said))
    return report


_marks: pytest.StashKey[dict[int, int]] = pytest.StashKey()


@pytest.fixture(scope="session")
def oidc() -> Iterator[Oidc]:
    """An OpenID Connect provider, and people who sign in there."""
    with run_oidc() as server:
        yield server
