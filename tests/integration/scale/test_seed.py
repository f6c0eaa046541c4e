"""The seed of the benchmark of large installations fits the tables as they are."""

from sqlalchemy import func, select

from models import migrate, search
from models.access import Identity
from models.log_counts import totals
from models.session import Database
from models.tables import LogEntry, Repository, Tag
from models.tables.base import now
from models.vault import Vault
from tests.bench.seed import Amounts, seed
from tests.factories.database import KEY


def test_a_small_one_has_everything_in_proportion(fresh_postgres_url: str) -> None:
    database = Database(fresh_postgres_url, Vault([KEY]))
    migrate.upgrade(database)
    amounts = Amounts().smaller(1000)
    seed(database, amounts)
    migrate.check(database)
    with database.read() as session:
        for table, number in ((Repository, amounts.repositories), (LogEntry, amounts.log_rows)):
            assert session.scalar(select(func.count()).select_from(table)) == number
        assert (session.scalar(select(func.count()).select_from(Tag)) or 0) >= amounts.tags
        assert search.find_repositories(session, Identity(), "", limit=10)[0].search_rank < 0
        assert sum(totals(session, [1], first=now().date().replace(year=2000)).values()) > 0
    database.dispose()
