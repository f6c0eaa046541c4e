"""How the web role runs: `gunicorn -c conf/gunicorn.conf.py`, which `drydock web` and `drydock serve` do.

Everything a person may want to change is a setting (docs/configuration.md): HOST, PORT, WEB_WORKERS, WEB_THREADS.
"""

import glob
import os
import shutil
import signal
import socket
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cli.collector import spare_what_is_there
from cli.logs import configure_logging
from cli.options import environ_of
from cli.processes import die_with_parent
from cli.slots import WAITING
from config.load import load_settings

STALLED_S = 120
"""How long a client may take nothing of what it is sent before it is given up; bodies have a limit of their own."""

_settings = load_settings(None, os.environ)
os.environ.update(environ_of(_settings, None))  # absolute paths, because of chdir
configure_logging(_settings, "web")

wsgi_app = "cli.app:create_app()"
chdir = str(Path(__file__).resolve().parent.parent)  # gunicorn imports from there before all else
logger_class = "cli.access_log.AccessLog"
loglevel = _settings.LOG_LEVEL.lower()

_host = f"[{_settings.HOST}]" if ":" in _settings.HOST else _settings.HOST
_inherited = os.environ.get("_DRYDOCK_LISTEN_FD")
bind = f"fd://{_inherited}" if _inherited else f"{_host}:{_settings.PORT}"
backlog = 2048

worker_class = "cli.web_worker.Worker"  # gthread, with a short way for hot requests
workers = _settings.WEB_WORKERS
threads = _settings.WEB_THREADS + WAITING  # of which WEB_THREADS are at work; see cli.slots
worker_connections = 1000 + WAITING
keepalive = 75
# A heartbeat of the process's main thread, which takes connections and nothing else. Requests run in other threads and
# may last for hours; what ends the stuck ones is STALLED_S.
timeout = 30
graceful_timeout = 2  # `serve` promises to end within five seconds, also on a busy machine
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - gunicorn makes a file of its own

sendfile = True
limit_request_line = 8190
# Only as many proxies as TRUSTED_PROXIES says are believed, and that is up to the application.
forwarded_allow_ips = ""
control_socket_disable = True

# The counters of all web processes: in memory, for where they are mapped from a disk that gets full, the process that
# counts is ended by the kernel. The folder is there before anything is imported that counts, the logger above all.
_metrics_name = f"drydock-metrics-{os.getuid()}-{_host}-{_settings.PORT}-"
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix=_metrics_name, dir=worker_tmp_dir)
_metrics = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])


def when_ready(server: Any) -> None:
    """With the port ours, and before there are workers: import the application once for all of them, which build it
    after the fork; then wait for the gate, if there is one."""
    for listener in server.LISTENERS:
        _bound_stalls(listener)
    _forget_killed_servers()
    with _ended_at_once():
        import cli.app  # noqa: F401, PLC0415 - not for a server that does not start

        spare_what_is_there()
        if gate := os.environ.get("_DRYDOCK_GATE_FD"):
            os.read(int(gate), 1)  # ends when `serve` closes the other end: the database is ready


@contextmanager
def _ended_at_once() -> Iterator[None]:
    """Within it, a signal to end ends this process: gunicorn would look at it when all is imported, seconds later."""

    def end(*_: object) -> None:
        _remove_metrics()
        os._exit(0)

    gunicorns = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in gunicorns.items():
            signal.signal(number, handler)


def _bound_stalls(listener: Any) -> None:
    """Bound what a stuck client can hold, by options that every connection inherits from the listener.

    SO_RCVTIMEO bounds each wait for its bytes that nothing else bounds, TCP_USER_TIMEOUT each wait for it to take ours,
    keep-alive finds those that are gone.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", STALLED_S, 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_S * 1000)


def _forget_killed_servers() -> None:
    """Remove the metrics' folders of servers that had this port and were killed."""
    for folder in _metrics.parent.glob(f"{glob.escape(_metrics_name)}*"):
        if folder != _metrics and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)


def post_fork(server: Any, worker: Any) -> None:
    """Let no worker outlive the master."""
    die_with_parent(worker.ppid)


def child_exit(server: Any, worker: Any) -> None:
    """Forget the gauges of a worker that has ended; its counters go on counting."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - as above

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    _remove_metrics()


def _remove_metrics() -> None:
    """Remove the metrics' folder, if it was made here."""
    if _metrics.name.startswith(_metrics_name):
        shutil.rmtree(_metrics, ignore_errors=True)
