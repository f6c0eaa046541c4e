"""Each in an interpreter of its own, since a supervisor takes every child of its process for its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.processes import GRACE_S, LAST_GRACE_S

ROOT = Path(__file__).parents[3]
PATIENCE_S = 20.0
"""For what comes at once on a machine that has nothing else to do."""

PROGRAM = """
import logging, os, signal, sys, time
from cli import processes
from cli.processes import Process, Stopped, Supervisor
processes.GRACE_S = float(sys.argv[3])
for name in sys.argv[4:]:
    signal.signal(signal.Signals[name], signal.SIG_IGN)
logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stdout)
try:
    with Supervisor() as supervisor:
        process = supervisor.start(Process("role", ["/bin/sh", "-c", sys.argv[1]], os.environ))
        end = time.monotonic() + float(sys.argv[2])
        while time.monotonic() < end:
            supervisor.wait(end - time.monotonic())
except Stopped:
    print("stopped", flush=True)
"""


def supervise(
    script: str, seconds: float, grace: float = GRACE_S, ignored: signal.Signals | None = None
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, script, str(seconds), str(grace), *([ignored.name] if ignored else [])],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def wait_for(path: Path) -> int:
    end = time.monotonic() + PATIENCE_S
    while not path.exists() or not path.read_text().strip():
        assert time.monotonic() < end
        time.sleep(0.01)
    return int(path.read_text())


def test_what_dies_at_once_is_started_again_with_growing_pauses() -> None:
    out, _ = supervise("exit 3", 1.0).communicate(timeout=PATIENCE_S)

    lines = out.splitlines()
    assert [line.rpartition(" in ")[2] for line in lines[:3]] == ["0.1 s", "0.2 s", "0.4 s"]
    assert "ended by itself with code 3" in lines[0]


def test_the_signal_that_killed_a_role_is_told() -> None:
    out, _ = supervise("kill -9 $$", 0.3).communicate(timeout=PATIENCE_S)

    assert "was killed by SIGKILL" in out


def test_a_signal_stops_it_and_what_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = tmp_path / "pid"
    popen = supervise(f"trap '' TERM; echo $$ > {child}; while :; do sleep 0.05; done", 30, grace=0.3)
    pid = wait_for(child)
    begun = time.monotonic()
    popen.terminate()
    out, _ = popen.communicate(timeout=PATIENCE_S)

    assert 0.3 < time.monotonic() - begun < 5
    assert out.splitlines()[-1] == "stopped"
    assert popen.returncode == 0
    assert not alive(pid)


def test_a_signal_that_was_ignored_from_the_start_stays_ignored(tmp_path: Path) -> None:
    child = tmp_path / "pid"
    popen = supervise(f"echo $$ > {child}; exec sleep 30", 30, ignored=signal.SIGHUP)
    wait_for(child)
    popen.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        popen.wait(0.2)
    popen.send_signal(signal.SIGINT)
    out, _ = popen.communicate(timeout=PATIENCE_S)
    assert out.splitlines()[-1] == "stopped"


def test_ctrl_c_ends_it_though_a_script_started_it_in_the_background(tmp_path: Path) -> None:
    child = tmp_path / "pid"
    popen = supervise(f"echo $$ > {child}; exec sleep 30", 30, ignored=signal.SIGINT)
    wait_for(child)
    popen.send_signal(signal.SIGINT)
    out, _ = popen.communicate(timeout=PATIENCE_S)
    assert out.splitlines()[-1] == "stopped"


def test_what_does_not_listen_is_killed_within_five_seconds() -> None:
    assert GRACE_S + 2 * LAST_GRACE_S < 5


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_orphans_of_a_role_do_not_outlive_it(tmp_path: Path, how: signal.Signals) -> None:
    child, orphan = tmp_path / "pid", tmp_path / "orphan"
    popen = supervise(f"setsid sh -c 'echo $$ > {orphan}; sleep 60' & echo $$ > {child}; wait", 30)
    pid, left = wait_for(child), wait_for(orphan)
    os.kill(pid, how)
    end = time.monotonic() + PATIENCE_S  # long before the orphan ends by itself
    while alive(left) and time.monotonic() < end:
        time.sleep(0.01)
    assert not alive(left)
    popen.terminate()
    popen.communicate(timeout=PATIENCE_S)
