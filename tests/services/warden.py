"""Runs one server and ends it and everything it started, even when the test process that wanted it is killed.

A process of its own (`python -I -S warden.py JSON`), standard library only, so that it starts in a few milliseconds.
It makes itself the parent of every orphan below it, so daemons that detach (containerd and its shims, a Redis started
by the product) are found.
"""

import ctypes
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class Order(TypedDict):
    """What the test process asks for."""

    argv: list[str]
    user: str | None
    cwd: str | None
    stop_signal: int
    grace: float  # seconds between the stop signal and SIGKILL
    status: int  # descriptor that the test process reads the server's pid from
    parent: int  # end when this process ends
    scratch: list[str]  # folders to unmount and remove at the end
    cleanup: list[list[str]]  # commands to run at the end


def main() -> int:
    """Run the server until it ends, its owner ends, or someone asks; then leave nothing behind."""
    order: Order = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wakeup = _wake_on_signals()
    try:
        server = _spawn(order, libc.prctl)
        os.write(order["status"], f"{server.pid}\n".encode())
        os.close(order["status"])
        _wait(order["parent"], server.pid, wakeup)
        code = _end(server, order)
        _end_orphans()
    finally:
        _remove(order)
    return code


def _wake_on_signals() -> int:
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reader


def _spawn(order: Order, prctl: Callable[[int, int, int, int, int], int]) -> subprocess.Popen[bytes]:
    def die_with_warden() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    user = order["user"]
    return subprocess.Popen(
        order["argv"],
        stdin=subprocess.DEVNULL,
        cwd=order["cwd"],
        user=user,
        group=user,
        extra_groups=[] if user else None,
        start_new_session=True,
        preexec_fn=die_with_warden,  # noqa: PLW1509 - the warden has one thread
    )


def _wait(parent: int, server: int, wakeup: int) -> None:
    """Return when the server has ended, the owner has ended, or a signal asks for the end."""
    with selectors.DefaultSelector() as selector:
        try:
            selector.register(os.pidfd_open(parent), selectors.EVENT_READ)
        except ProcessLookupError:
            return
        if os.getppid() != parent:
            return
        selector.register(os.pidfd_open(server), selectors.EVENT_READ)
        selector.register(wakeup, selectors.EVENT_READ)
        selector.select()


def _end(server: subprocess.Popen[bytes], order: Order) -> int:
    if server.poll() is None:
        server.send_signal(order["stop_signal"])
    try:
        return server.wait(order["grace"])
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


def _end_orphans() -> None:
    """End what the server left behind, politely first so that shims unmount; their children come up as orphans too."""
    deadline = time.monotonic() + 3
    while children := _children():
        number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        for pid in children:
            os.kill(pid, number)
        _reap(0.2)


def _children() -> list[int]:
    _reap(0)
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _reap(seconds: float) -> None:
    time.sleep(seconds)
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def _remove(order: Order) -> None:
    for folder in order["scratch"]:
        for mount in _mounts_under(folder):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(folder, ignore_errors=True)
    for command in order["cleanup"]:
        subprocess.run(command, check=False)


def _mounts_under(folder: str) -> list[str]:
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sorted((mount for mount in mounts if mount.startswith(folder + "/")), reverse=True)


if __name__ == "__main__":
    sys.exit(main())
