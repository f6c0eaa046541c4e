"""Drydock itself as processes, in each set-up that is promised to work: embedded, mixed and production."""

import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

from tests.services import process
from tests.services.nginx import start_nginx
from tests.services.ports import free_port
from tests.services.s3 import Bucket

SetUp = Literal["embedded", "mixed", "production"]
_PROGRAM = Path(sys.prefix, "bin", "drydock")
_ROLES = ("web-", "worker-", "errands", "scheduler")


class Drydock:
    """A running installation. `registry` is `localhost:port`, as in an image's name; `url` the same with its scheme."""

    def __init__(self, name: SetUp, settings: Mapping[str, str]) -> None:
        self.name = name
        self.port = int(settings["PORT"])
        self.data = Path(settings["DATA"])
        self.registry = f"localhost:{self.port}"
        self.url = f"http://{self.registry}"
        self.admin_password = ""
        self.environment = _environment(settings)
        self.web_ports: list[int] = []
        self.workers: list[process.Server] = []
        self.servers: list[process.Server] = []

    def command(self, *arguments: str) -> str:
        """Run `drydock …` in this installation's environment; returns what it printed, or raises with what it said."""
        done = subprocess.run(
            [_PROGRAM, *arguments], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise AssertionError(f"drydock {arguments[0]} → exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def create_user(self, name: str, password: str, *, superuser: bool = False) -> None:
        """Create an account, `name@example.com`."""
        flags = ["--superuser"] if superuser else []
        self.command("user", "create", name, "--email", f"{name}@example.com", "--password", password, *flags)

    def token(self, user: str, scopes: str) -> str:
        """An OAuth access token of that user; `scopes` are separated by spaces."""
        return self.command("token", "create", user, "--scopes", scopes)

    def start_web(self, port: int) -> None:
        """Add a web process that listens on that loopback port."""
        server = self._start("web", f"web-{port}", port=port)
        self.servers.append(server)
        self.web_ports.append(port)

    def start_worker(self) -> None:
        """Add a worker process."""
        server = self._start("worker", f"worker-{len(self.workers) + 1}", "--queues", "builds")
        self.servers.append(server)
        self.workers.append(server)

    def start_errands(self) -> None:
        """Add the process that sends mail and notifications."""
        self.servers.append(self._start("worker", "errands", "--queues", "deliveries"))

    def start_scheduler(self) -> None:
        """Add the scheduler process."""
        self.servers.append(self._start("scheduler", "scheduler"))

    def start_serve(self) -> None:
        """Start every role in one go; the first start leaves the administrator's password in the data folder."""
        arguments = ["--port", str(self.port), "--data", str(self.data)]
        server = self._start("serve", "serve", *arguments, port=self.port)
        self.servers.append(server)
        self.web_ports = [self.port]
        self.admin_password = (self.data / "admin-password").read_text().strip()

    def start_proxy(self, backends: list[int]) -> None:
        """Put nginx in front of the web processes."""
        self.servers.append(start_nginx(self.port, backends))

    def kill_worker(self) -> None:
        """End the worker that has a job, or else any, with SIGKILL and all below it; a supervisor starts it again.

        The supervisor is `drydock serve` in the embedded set-up, and this class in the others.
        """
        if self.name == "embedded":
            _kill_tree(_busiest(_workers_below(self.servers[0].pid)))
            return
        by_pid = {server.pid: server for server in self.workers}
        victim = by_pid[_busiest(list(by_pid))]
        _kill_tree(victim.pid)
        victim.kill()
        self._start_again(victim)

    def web_processes(self) -> list[int]:
        """The processes that answer requests, those first which start the others."""
        if self.name == "embedded":
            return [pid for pid in process.descendants(self.servers[0].pid) if "gunicorn" in _command_line(pid)]
        masters = [server.pid for server in self.servers if server.name in self._web_names()]
        return [pid for master in masters for pid in (master, *process.descendants(master))]

    def kill_web(self) -> None:
        """End all web processes with SIGKILL, and return when they are there again; who starts them is as above."""
        if self.name == "embedded":
            _kill_tree(self.web_processes()[0])
        else:
            victims = [server for server in self.servers if server.name in self._web_names()]
            for victim in victims:
                _kill_tree(victim.pid)
                victim.kill()
            for victim in victims:
                self._start_again(victim)
        process.wait_until(self.is_well, seconds=30)

    def processes(self) -> list[int]:
        """All of Drydock's own that somebody starts again when they are killed, parents before their children."""
        if self.name == "embedded":
            return process.descendants(self.servers[0].pid)
        roots = [server.pid for server in self.servers if server.name.startswith(_ROLES)]
        return [pid for root in roots for pid in (root, *process.descendants(root))]

    def kill(self, pid: int) -> None:
        """End one of these with SIGKILL; who starts it again is as above, or gunicorn's first process."""
        with suppress(ProcessLookupError):  # it has ended with its parent
            os.kill(pid, signal.SIGKILL)
        for server in [server for server in self.servers if server.pid == pid]:
            server.kill()
            self._start_again(server)

    def is_well(self) -> bool:
        """Whether every web process answers."""
        return all(map(_healthy, [*self.web_ports, self.port]))

    def log_size(self) -> dict[str, int]:
        """Bytes that each process has written to its log: a mark for `log_since`."""
        return {server.name: server.log_size() for server in self.servers}

    def log_since(self, marks: Mapping[str, int]) -> str:
        """All that the processes have written since the marks."""
        return "".join(server.log_since(marks.get(server.name, 0)) for server in self.servers)

    def stop(self) -> None:
        """End every process; the data stays."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(process.Server.stop, self.servers))
        self.servers.clear()
        self.workers.clear()
        self.web_ports.clear()

    def _start_again(self, server: process.Server) -> None:
        self.servers.remove(server)
        role, _, port = server.name.partition("-")
        if role == "web":
            self.web_ports.remove(int(port))
            self.start_web(int(port))
        elif role == "worker":
            self.workers.remove(server)
            self.start_worker()
        elif role == "errands":
            self.start_errands()
        else:
            self.start_scheduler()

    def _web_names(self) -> set[str]:
        return {f"web-{port}" for port in self.web_ports}

    def _start(self, role: str, name: str, *arguments: str, port: int | None = None) -> process.Server:
        environment = self.environment if port is None else {**self.environment, "DRYDOCK_PORT": str(port)}
        return process.start(
            name,
            [_PROGRAM, role, *arguments],
            ready=lambda: port is None or _healthy(port),
            env=environment,
            # A shutdown may wait for requests in flight, but not for long.
            grace=15,
            deadline=60,
        )


@contextmanager
def embedded(*, engine: str | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Drydock]:
    """`drydock serve` on an empty data folder. `engine` is a Docker engine's URL; `settings` are configuration keys."""
    with _installation("embedded", engine, settings or {}) as drydock:
        drydock.start_serve()
        yield drydock


@contextmanager
def mixed(
    *, database: str, redis: str, engine: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[Drydock]:
    """PostgreSQL, Redis, blobs in a local folder; one web process, one worker, one for errands, a scheduler."""
    keys = {"DB_URI": database, "REDIS_URL": redis, **(settings or {})}
    with _installation("mixed", engine, keys) as drydock:
        _prepare(drydock)
        drydock.start_web(drydock.port)
        drydock.start_worker()
        drydock.start_errands()
        drydock.start_scheduler()
        yield drydock


@contextmanager
def web_only(*, database: str, redis: str, settings: Mapping[str, str] | None = None) -> Iterator[Drydock]:
    """PostgreSQL, Redis, and nothing but web processes, so that nothing disturbs what is measured."""
    keys = {"DB_URI": database, "REDIS_URL": redis, **(settings or {})}
    with _installation("mixed", None, keys) as drydock:
        drydock.command("migrate")
        drydock.start_web(drydock.port)
        yield drydock


@contextmanager
def production(
    *, database: str, redis: str, bucket: Bucket, engine: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[Drydock]:
    """PostgreSQL, Redis, S3; two web processes behind nginx, two workers, one for errands, a scheduler."""
    keys = {"DB_URI": database, "REDIS_URL": redis, "DISTRIBUTED_STORAGE_CONFIG": json.dumps(bucket.storage_config())}
    keys["TRUSTED_PROXIES"] = "1"
    with _installation("production", engine, {**keys, **(settings or {})}) as drydock:
        _prepare(drydock)
        ports = [free_port(), free_port()]
        with ThreadPoolExecutor() as pool:
            list(pool.map(drydock.start_web, ports))
        for _ in range(2):
            drydock.start_worker()
        drydock.start_errands()
        drydock.start_scheduler()
        drydock.start_proxy(ports)
        yield drydock


@contextmanager
def _installation(name: SetUp, engine: str | None, settings: Mapping[str, str]) -> Iterator[Drydock]:
    port = free_port()
    folder = process.scratch_folder(name)
    given = {
        "PORT": str(port),
        "DATA": str(folder),
        "SERVER_HOSTNAME": f"localhost:{port}",
        # Never this machine's own engine.
        "BUILD_ENGINE_URL": engine or f"unix://{folder}/no-engine.sock",
        **settings,
    }
    if name != "embedded":
        given = {"SECRET_KEY": secrets.token_hex(32), "DATABASE_SECRET_KEY": secrets.token_hex(32), **given}
    drydock = Drydock(name, given)
    with ExitStack() as stack:
        stack.callback(process.keep(f"{name}-data", folder).stop)
        stack.callback(drydock.stop)
        yield drydock


def _prepare(drydock: Drydock) -> None:
    drydock.command("migrate")
    drydock.admin_password = secrets.token_urlsafe(16)
    drydock.create_user("admin", drydock.admin_password, superuser=True)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DRYDOCK_", "DOCKER_"))}
    return {**kept, **{f"DRYDOCK_{key}": value for key, value in settings.items()}}


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/instance", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _workers_below(pid: int) -> list[int]:
    found = [child for child in process.descendants(pid) if {"worker", "builds"} <= set(_command_line(child))]
    if not found:
        raise AssertionError("drydock serve runs no worker process")
    return found


def _command_line(pid: int) -> list[str]:
    """How the process was called; nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _busiest(workers: list[int]) -> int:
    """RQ runs each job in a child of the worker."""
    return max(workers, key=lambda pid: len(process.descendants(pid)))


def _kill_tree(pid: int) -> None:
    # From the top: nobody is left to notice and report the death of what is below.
    for victim in [pid, *process.descendants(pid)]:
        with suppress(ProcessLookupError):  # the kernel was told to end some of them with their parent
            os.kill(victim, signal.SIGKILL)
