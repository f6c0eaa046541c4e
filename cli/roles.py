"""The processes of one role each, and the command lines that run them."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cli.options import ROOT, Refused, environ_of
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


def run_worker(settings: Settings, queues: Sequence[str] | None) -> int:
    """Work on the queues (None: all) until asked to end; the exit code."""
    from buildworker import worker  # noqa: PLC0415

    _require_redis(settings)
    return worker.main(settings, queues)


def run_scheduler(settings: Settings) -> int:
    """Do what is due now and again, until asked to end; the exit code."""
    from buildworker import scheduler  # noqa: PLC0415
    from cli.maintenance import scheduled_collection  # noqa: PLC0415

    _require_redis(settings)
    extra = [scheduled_collection(settings)] if settings.FEATURE_GARBAGE_COLLECTION else []
    return scheduler.main(settings, extra)


def _require_redis(settings: Settings) -> None:
    if settings.redis_url is None:
        raise Refused("No Redis is configured: set REDIS_URL. Only `drydock serve` brings one of its own.")
