"""A real PostgreSQL server, and fresh databases in it."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from signal import SIGINT

import psycopg
from psycopg import sql

from tests.services import process
from tests.services.ports import free_port

_USER = "drydock"


class Postgres:
    """A running server; every method that makes a database returns its URL in the form of Quay's `DB_URI`."""

    def __init__(self, port: int, password: str) -> None:
        self._port = port
        self._password = password
        self._numbers = count(1)

    def url(self, database: str) -> str:
        """`postgresql://user:password@127.0.0.1:port/database`"""
        return f"postgresql://{_USER}:{self._password}@127.0.0.1:{self._port}/{database}"

    def new_database(self, template: str = "template1") -> str:
        """Create a database that nothing else uses, as a copy of `template` (which nobody may be connected to)."""
        name = f"test_{next(self._numbers)}"
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database made by `new_database`, ending its connections."""
        name = sql.Identifier(url.rpartition("/")[2])
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server of its own, with durable writes as in production."""
    password = secrets.token_hex(16)
    # The server refuses to run as root; Debian's package brings this user.
    user = "postgres" if os.geteuid() == 0 else None
    folder = process.scratch_folder("postgres", owner=user)
    _initialize(folder, password, user)
    port = free_port()
    database = Postgres(port, password)
    argv = [
        _program("postgres"),
        *("-D", folder / "data", "-k", folder, "-h", "127.0.0.1", "-p", str(port)),
        *("-c", "max_connections=200", "-c", "shared_buffers=128MB", "-c", "timezone=UTC"),
    ]
    server = process.start(
        "postgres",
        argv,
        ready=lambda: _answers(database.url("postgres")),
        user=user,
        cwd=folder,
        scratch=[folder],
        stop_signal=SIGINT,  # "fast" shutdown: does not wait for clients
    )
    try:
        yield database
    finally:
        server.stop()


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _initialize(folder: Path, password: str, user: str | None) -> None:
    secret = folder / "password"
    secret.write_text(password)
    if user:
        shutil.chown(secret, user)
    options = [
        "--auth=scram-sha-256",
        f"--pwfile={secret}",
        f"--username={_USER}",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]
    subprocess.run(
        [_program("initdb"), "--no-sync", *options, "-D", folder / "data"],
        user=user,
        group=user,
        extra_groups=[] if user else None,
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _program(name: str) -> Path:
    """Debian keeps the server's programs outside of PATH, one folder per major version: take the newest."""
    if found := shutil.which(name):
        return Path(found)
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not folders:
        raise FileNotFoundError(f"{name} is not installed; run scripts/test-setup")
    return folders[-1] / name
