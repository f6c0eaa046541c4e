"""Processes are killed at random moments while clients push, delete and sign, and while collection runs.

What was acknowledged survives, nothing is missing and no quota drifts. Short in CI; `STRESS_PUSHES=200` for figures,
which are printed with `-s`. `STRESS_SEED` repeats the same choices, though not the same moments.
"""

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.e2e.clients.registry import Registry
from tests.services.drydock import Drydock
from tests.services.process import wait_until
from tests.stress.faults.reports import check_everything, finish, start_pushers, tell

PUSHES = int(os.environ.get("STRESS_PUSHES", "20"))
KILLS = PUSHES // 4


def test_nothing_is_lost_when_processes_are_killed(drydock: Drydock, registry: Registry, dice: random.Random) -> None:
    pushers = start_pushers(registry, "admin/kills", dice)
    collections = Collections(drydock, random.Random(dice.random()))
    collections.start()
    killed: list[str] = []
    began = time.monotonic()
    while len(killed) < KILLS or sum(pusher.pushed for pusher in pushers) < PUSHES:
        time.sleep(dice.uniform(0, 0.8))
        if victims := drydock.processes():
            victim = dice.choice(victims)
            killed.append(_name(victim))
            drydock.kill(victim)
        wait_until(drydock.is_well, seconds=60)
    figures = {
        "seconds": round(time.monotonic() - began, 1),
        "killed": {name: killed.count(name) for name in sorted(set(killed))},
    }
    finish(pushers)
    collections.finish()

    figures["collections"] = f"{collections.complete} complete, {collections.killed} killed"
    tell(f"kills, {drydock.name}", figures, pushers)
    for pusher in pushers:
        assert "500" not in pusher.failures, pusher.bodies
    check_everything(drydock, pushers)


class Collections(threading.Thread):
    """`drydock gc` again and again; every other time it is killed at some moment."""

    def __init__(self, drydock: Drydock, dice: random.Random) -> None:
        super().__init__(name="collections", daemon=True)
        self.complete = 0
        self.killed = 0
        self._environment = drydock.environment
        self._dice = dice
        self._ended = threading.Event()

    def run(self) -> None:
        command = [str(Path(sys.prefix, "bin", "drydock")), "gc"]
        while not self._ended.wait(self._dice.uniform(0, 1)):
            with subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL) as running:
                try:
                    running.wait(self._dice.uniform(0.3, 1.5) if self._dice.random() < 0.5 else 60)
                    self.complete += 1
                except subprocess.TimeoutExpired:
                    running.kill()
                    self.killed += 1

    def finish(self) -> None:
        self._ended.set()
        self.join(60)


def _name(pid: int) -> str:
    """Which role the process has."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return "ended"
    return next((word for word in ("redis", "gunicorn", "worker", "scheduler") if any(word in w for w in words)), "?")
