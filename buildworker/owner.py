"""What a process calls itself in the jobs it holds, so that another on the same machine can tell that it is dead."""

import socket
from functools import cache
from pathlib import Path


def name_of(pid: int, worker: str) -> str:
    """The process `pid` of this machine; `worker` is random and tells apart two with the same number."""
    return f"{_machine()}:{pid}:{worker[:32]}"


def is_dead(owner: str) -> bool:
    """Whether the owner was a process of this machine and has ended; of other machines nothing is known."""
    machine, _, rest = owner.rpartition(":")[0].rpartition(":")
    return machine == _machine() and rest.isdigit() and not Path("/proc", rest).exists()


@cache
def _machine() -> str:
    # Containers may share a host name: process ids mean the same only within one namespace of one boot.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    namespace = Path("/proc/self/ns/pid").stat().st_ino
    return f"{socket.gethostname()[:64]}/{boot}/{namespace}"
