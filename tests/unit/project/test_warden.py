"""Servers started for tests end with the tests, however those end."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.services import process
from tests.services.ports import free_port, listening

ROOT = Path(__file__).parents[3]


def test_a_server_and_what_it_detached_end_when_it_is_stopped(tmp_path: Path) -> None:
    detached = tmp_path / "detached"
    script = f"echo hello; setsid sleep 60 & echo $! > {detached}.tmp && mv {detached}.tmp {detached}; exec sleep 60"
    server = process.start("shell", ["/bin/sh", "-c", script], ready=detached.exists)
    pid = int(detached.read_text())
    assert (_exists(server.pid), _exists(pid)) == (True, True)
    assert server.log_tail() == "hello"
    assert server.stop() == -signal.SIGTERM
    assert (_exists(server.pid), _exists(pid)) == (False, False)


def test_servers_end_and_folders_go_when_the_test_process_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    script = f"""
        import time
        from pathlib import Path
        from tests.services import process
        server = process.start("sleep", ["sleep", "60"], ready=lambda: True, scratch=[Path({str(folder)!r})])
        print(server.pid, flush=True)
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        owner.kill()
    process.wait_until(lambda: not _exists(pid) and not folder.exists(), seconds=20)


def test_a_server_that_does_not_start_shows_what_it_said() -> None:
    with pytest.raises(process.ServerFailed, match=r"it has ended\nno luck"):
        process.start("shell", ["/bin/sh", "-c", "echo no luck; exit 3"], ready=lambda: False)


def test_a_program_that_is_not_installed_is_named() -> None:
    with pytest.raises(process.ServerFailed, match="no-such-program"):
        process.start("ghost", ["no-such-program"], ready=lambda: True)


def test_a_server_that_never_answers_is_ended() -> None:
    before = list(process.running())
    with pytest.raises(process.ServerFailed, match=r"no answer within 0\.2 s"):
        process.start("sleep", ["sleep", "60"], ready=lambda: False, deadline=0.2)
    assert list(process.running()) == before


def test_ports_are_free_and_never_handed_out_twice() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert not any(listening(port) for port in ports)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
