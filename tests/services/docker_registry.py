"""Debian's docker-registry: the registry that benchmarks compare with."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import yaml

from tests.services import process
from tests.services.ports import free_port, listening


@contextmanager
def docker_registry() -> Iterator[str]:
    """Run it without authentication on the file system driver; yields its URL."""
    port = free_port()
    folder = process.scratch_folder("docker-registry")
    config = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    file = folder / "config.yml"
    file.write_text(yaml.safe_dump(config))
    program = shutil.which("docker-registry") or "docker-registry"
    argv = [program, "serve", file]
    server = process.start("docker-registry", argv, ready=lambda: listening(port), scratch=[folder])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()
