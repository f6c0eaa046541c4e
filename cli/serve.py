"""`drydock serve`: all roles in one go, with nothing to configure and nothing left behind."""

import os
import select
import shutil
import socket
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import typer

from buildworker.queues import FORKED, SHORT
from cli import private_redis
from cli.claims import listening, locked
from cli.docker_line import describe_engine
from cli.logs import configure_logging
from cli.options import admin_password_file, environ_of
from cli.processes import Process, Stopped, Supervisor
from cli.roles import role_command, web_command
from config.settings import Settings

LOOK_S = 0.03  # between two looks whether the first answer is there


def run(settings: Settings, config: Path | None) -> int:
    """Serve until asked to end; the exit code. Refused if the data folder or the port is taken."""
    configure_logging(settings, "serve")
    with ExitStack() as stack:
        stack.enter_context(locked(settings.data))
        listener = stack.enter_context(listening(settings.HOST, settings.PORT))
        supervisor = stack.enter_context(Supervisor())
        try:
            return _serve(settings, environ_of(settings, config), listener, supervisor, stack)
        except Stopped:
            return 0


def _serve(
    settings: Settings, environ: dict[str, str], listener: socket.socket, supervisor: Supervisor, stack: ExitStack
) -> int:
    first_start = not admin_password_file(settings).exists()
    folder = _run_folder(settings)
    if settings.redis_url is None:
        environ["DRYDOCK_REDIS_URL"] = _start_redis(supervisor, folder, stack)
    # The web processes import while the database is prepared, and answer when the gate opens: its other end closes.
    waiting, closing = os.pipe()
    gate = stack.enter_context(os.fdopen(closing, "wb"))  # closed in any case: behind it, nobody hears that it is over
    fds = {"_DRYDOCK_LISTEN_FD": str(listener.fileno()), "_DRYDOCK_GATE_FD": str(waiting)}
    supervisor.start(Process("web", web_command(), environ | fds, fds=(listener.fileno(), waiting)))
    preparing = supervisor.start(Process("prepare", role_command("prepare"), environ, once=True))
    while preparing.returncode is None:
        supervisor.wait(None)
    if preparing.returncode != 0:
        return 1  # it has said why
    gate.close()
    workers = settings.BUILD_WORKERS if settings.FEATURE_BUILD_SUPPORT else 0
    for number in range(1, workers + 1):
        command = role_command("worker", "--queues", ",".join(FORKED))
        supervisor.start(Process(f"worker {number}", command, environ))
    supervisor.start(Process("errands", role_command("worker", "--queues", ",".join(SHORT)), environ))
    supervisor.start(Process("scheduler", role_command("scheduler"), environ))
    _wait_for_answer(supervisor, listener)
    typer.echo(_welcome(settings, first_start=first_start))
    while True:
        supervisor.wait(None)


def _run_folder(settings: Settings) -> Path:
    """The folder for what does not outlive `serve`."""
    folder = settings.data / "run"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _start_redis(supervisor: Supervisor, run_folder: Path, stack: ExitStack) -> str:
    """Start the private Redis; its URL."""
    folder = private_redis.make_folder(run_folder)
    if folder.parent != run_folder:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
    command = private_redis.command(private_redis.find_server(), folder)
    supervisor.start(Process("redis", command, os.environ, last=True))
    return private_redis.url(folder)


def _wait_for_answer(supervisor: Supervisor, listener: socket.socket) -> None:
    """Return once the web role answers that it is well."""
    while True:
        with suppress(OSError), _ask(listener) as connection:
            while not select.select([connection], [], [], 0)[0]:
                supervisor.wait(LOOK_S)
            if b" 200 " in connection.recv(64):
                return
        supervisor.wait(LOOK_S)


def _ask(listener: socket.socket) -> socket.socket:
    """Connect to the listener and ask for its health. The kernel takes the connection before the server does."""
    host, port, *_ = listener.getsockname()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where to ask, not where to listen
    connection = socket.create_connection((host, port), timeout=1)
    connection.sendall(b"GET /health/instance HTTP/1.0\r\n\r\n")
    return connection


def _welcome(settings: Settings, *, first_start: bool) -> str:
    file = admin_password_file(settings)
    login, rows = f"docker login {settings.SERVER_HOSTNAME}", [("data folder", str(settings.data))]
    if file.exists():
        login += f" --username admin --password-stdin < {file}"
        told = f"in {file}"
        if first_start and sys.stdout.isatty():  # elsewhere it would stay, in a file or the log of a container
            told = f"{file.read_text(encoding='ascii').strip()}, kept {told}"
        rows.append(("password of admin", told))
    rows.append(("log in", login))
    if settings.FEATURE_BUILD_SUPPORT:
        rows.append(("builds", describe_engine(settings)))
    lines = [f"Drydock serves at {settings.url}", *(f"  {name + ':':<19}{value}" for name, value in rows)]
    return "\n".join(lines)
