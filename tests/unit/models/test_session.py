"""Transactions on SQLite."""

import threading
from pathlib import Path

from models.session import Database
from models.tables import Organization


def test_threads_that_come_and_go_leave_no_file_open(database: Database) -> None:
    def write(number: int) -> None:
        with database.write() as session:
            session.add(Organization(name=f"org-{number}"))

    def opened() -> int:
        return sum("drydock.db.lock" in str(fd.resolve()) for fd in Path("/proc/self/fd").iterdir())

    write(0)
    before = opened()
    for number in range(1, 20):
        thread = threading.Thread(target=write, args=(number,))
        thread.start()
        thread.join()
    assert opened() == before
