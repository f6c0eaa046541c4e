"""A containerd of its own, beside the one that a Docker engine runs for itself."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import process

_SETTINGS = """
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{folder}/containerd.sock"
[ttrpc]
  address = "{folder}/containerd.sock.ttrpc"
"""


@contextmanager
def containerd() -> Iterator[Path]:
    """Run it; yields its socket, for `ctr --address`."""
    folder = process.scratch_folder("containerd")
    file = folder / "config.toml"
    file.write_text(_SETTINGS.format(folder=folder))
    socket = folder / "containerd.sock"
    program = shutil.which("containerd") or "/usr/bin/containerd"
    server = process.start("containerd", [program, "--config", file], ready=socket.exists, scratch=[folder])
    try:
        yield socket
    finally:
        server.stop()
