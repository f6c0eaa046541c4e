"""Debian's docker-registry as somebody else's: it wants to know who asks."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import yaml

from buildworker.builder import Credentials
from tests.services import process
from tests.services.ports import free_port, listening

READER = Credentials("reader", "reader-secret")
# bcrypt, of the password above, at its lowest cost.
_HTPASSWD = "reader:$2b$04$drydockdrydockdrydocku7l80W/ir2G8WCHOb6aMEDxze9Zfu7F6\n"


@contextmanager
def private_registry() -> Iterator[str]:
    """Run one that only READER may use; its `host:port`."""
    port, folder = free_port(), process.scratch_folder("private-registry")
    passwords, file = folder / "htpasswd", folder / "config.yml"
    passwords.write_text(_HTPASSWD)
    config: Mapping[str, object] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "auth": {"htpasswd": {"realm": "test", "path": str(passwords)}},
    }
    file.write_text(yaml.safe_dump(config))
    program = shutil.which("docker-registry") or "docker-registry"
    server = process.start(
        "private-registry", [program, "serve", file], ready=lambda: listening(port), scratch=[folder]
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop()
