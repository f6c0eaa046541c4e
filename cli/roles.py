"""The processes of one role each, and the command lines that run them."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildworker.queues import EVERY, FORKED, SHORT
from cli.options import ROOT, Refused, environ_of
from cli.processes import Process, Stopped, Supervisor
from config.settings import Settings

CONF = Path(ROOT, "conf", "gunicorn.conf.py")

# -P: modules come from the installation, never from the folder that somebody happens to stand in.
PYTHON = (sys.executable, "-P")


def web_command() -> list[str]:
    """What runs the web role. Refused if its configuration was not installed along."""
    if not CONF.is_file():
        raise Refused(f"{CONF} is missing: install the folder conf beside the Python packages.")
    return [*PYTHON, "-m", "gunicorn", "--config", str(CONF)]


def role_command(*arguments: str) -> list[str]:
    """What runs `drydock` with these arguments in another process."""
    return [*PYTHON, "-m", "cli.main", *arguments]


def run_web(settings: Settings, config: Path | None) -> None:
    """Become the web server. Refused if the database is not ready for it."""
    from cli.database import migrated  # noqa: PLC0415 - what `serve` needs of this module starts without SQLAlchemy

    _require_redis(settings)
    with migrated(settings):
        pass
    command = web_command()
    os.execve(command[0], command, environ_of(settings, config))  # noqa: S606


def run_worker(settings: Settings, config: Path | None, queues: Sequence[str] | None) -> int:
    """Work on the queues (None: all) until asked to end; the exit code."""
    _require_redis(settings)
    names = queues if queues is not None else EVERY
    if unknown := [name for name in names if name not in EVERY]:
        raise Refused(f"There is no queue {', '.join(unknown)}; there are {', '.join(EVERY)}.")
    short, forked = [name for name in names if name in SHORT], [name for name in names if name in FORKED]
    if short and forked:
        return _run_both(environ_of(settings, config), short, forked)
    if short:
        from buildworker import errands  # noqa: PLC0415

        return errands.main(settings, short)
    from buildworker import worker  # noqa: PLC0415

    return worker.main(settings, forked)


def _run_both(environ: Mapping[str, str], short: Sequence[str], forked: Sequence[str]) -> int:
    """Keep a process for either sort of queue running, so that neither waits for the other."""
    with Supervisor() as supervisor:
        for names in (short, forked):
            command = role_command("worker", "--queues", ",".join(names))
            supervisor.start(Process(f"worker of {', '.join(names)}", command, environ))
        try:
            while True:
                supervisor.wait(None)
        except Stopped:
            return 0


def run_scheduler(settings: Settings) -> int:
    """Do what is due now and again, until asked to end; the exit code."""
    from buildworker import scheduler  # noqa: PLC0415
    from buildworker.build_history import scheduled_forgetting  # noqa: PLC0415
    from buildworker.log_rotation import scheduled_rotation  # noqa: PLC0415
    from cli.maintenance import scheduled_collection  # noqa: PLC0415
    from cli.policies import scheduled_marking, scheduled_pruning  # noqa: PLC0415

    _require_redis(settings)
    extra = [scheduled_marking()]
    if settings.FEATURE_AUTO_PRUNE:
        extra.append(scheduled_pruning(settings))
    if settings.BUILD_HISTORY_DAYS is not None:
        extra.append(scheduled_forgetting(settings.BUILD_HISTORY_DAYS))
    if settings.FEATURE_ACTION_LOG_ROTATION:
        extra.append(scheduled_rotation(settings))
    if settings.FEATURE_GARBAGE_COLLECTION:
        extra.append(scheduled_collection(settings))
    return scheduler.main(settings, extra)


def _require_redis(settings: Settings) -> None:
    if settings.redis_url is None:
        raise Refused("No Redis is configured: set REDIS_URL. Only `drydock serve` brings one of its own.")
