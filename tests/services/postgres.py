"""A real PostgreSQL server, and fresh databases in it."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from signal import SIGINT, SIGQUIT

import psycopg
from psycopg import sql

from tests.services import process
from tests.services.ports import free_port

_USER = "drydock"


class Postgres:
    """A server; every method that makes a database returns its URL in the form of Quay's `DB_URI`."""

    def __init__(self, folder: Path, user: str | None) -> None:
        self._folder = folder
        self._user = user
        self._port = free_port()
        self._password = secrets.token_hex(16)
        self._numbers = count(1)
        self._server: process.Server | None = None
        _initialize(folder, self._password, user)

    def start(self) -> None:
        """Run the server, with durable writes as in production."""
        argv = [
            _program("postgres"),
            *("-D", self._folder / "data", "-k", self._folder, "-h", "127.0.0.1", "-p", str(self._port)),
            *("-c", "max_connections=200", "-c", "shared_buffers=128MB", "-c", "timezone=UTC"),
        ]
        self._server = process.start(
            "postgres",
            argv,
            ready=lambda: _answers(self.url("postgres")),
            user=self._user,
            cwd=self._folder,
            stop_signal=SIGINT,  # "fast" shutdown: does not wait for clients
        )

    def stop(self, *, immediately: bool = False) -> None:
        """End the server: in order, or as a crash would, so that the next start has to recover."""
        server, self._server = self._server, None
        if server and immediately:
            server.kill(SIGQUIT)
        elif server:
            server.stop()

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
    """Run a server of its own."""
    # The server refuses to run as root; Debian's package brings this user.
    user = "postgres" if os.geteuid() == 0 else None
    folder = process.scratch_folder("postgres", owner=user)
    keeper = process.keep("postgres-data", folder)
    server = Postgres(folder, user)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        keeper.stop()


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
