"""Many pushes of one tag at the same moment, on a real PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from models.access import Identity
from models.migrate import upgrade
from models.repositories import create_repository
from models.session import Database, Session
from models.tables import Manifest, Repository, Tag, User
from models.tags import put_tag
from models.vault import Vault

PUSHERS, PUSHES = 16, 8


@pytest.fixture
def database(fresh_postgres_url: str) -> Iterator[Database]:
    database = Database(fresh_postgres_url, Vault(["a key of the tests, long enough for one"]), pool_size=PUSHERS)
    upgrade(database)
    yield database
    database.dispose()


def test_each_push_succeeds_and_the_history_has_no_gap(database: Database) -> None:
    with database.write() as session:
        session.add(User(name="ann"))
        session.flush()
        ann = session.scalars(select(User)).one()
        actor = Identity(kind="user", account_id=ann.id, name="ann")
        repository = create_repository(session, "ann", "app", actor=actor, public=False)
        manifests = [_manifest(repository.id, number) for number in range(PUSHERS)]
        session.add_all(manifests)

    def push(number: int) -> None:
        def put(session: Session) -> None:
            put_tag(session, repository, "latest", manifests[number].id, manifests[number].digest, actor=actor)

        for _ in range(PUSHES):
            database.apply(put)

    with ThreadPoolExecutor(PUSHERS) as pool:
        list(pool.map(push, range(PUSHERS)))

    with database.read() as session:
        rows = list(session.scalars(select(Tag).order_by(Tag.id)))
        assert [row.end_ms for row in rows].count(None) == 1
        assert {row.manifest_id for row in rows} == {manifest.id for manifest in manifests}
        assert session.scalars(select(Repository)).one().name == "app"


def _manifest(repository_id: int, number: int) -> Manifest:
    return Manifest(
        repository_id=repository_id,
        digest=f"sha256:{number:064x}",
        media_type="application/vnd.oci.image.manifest.v1+json",
        content=b"{}",
        size=2,
        image_size=0,
        is_index=False,
    )
