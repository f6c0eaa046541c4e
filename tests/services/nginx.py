"""nginx in front of several web processes, with the configuration that is shipped."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.services import process
from tests.services.ports import listening

_SHIPPED = Path(__file__).parents[2] / "conf" / "nginx.conf"


def start_nginx(port: int, backends: Sequence[int]) -> process.Server:
    """Run nginx on loopback `port`, spreading requests over the loopback ports `backends`."""
    folder = process.scratch_folder("nginx")
    file = folder / "nginx.conf"
    file.write_text(_adapted(_SHIPPED.read_text(), port, backends))
    directives = ["daemon off;", "error_log stderr;"]
    if os.geteuid() == 0:
        directives.append("user root;")  # otherwise a user who may not enter the folder
    argv = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", folder, "-c", file, "-g", " ".join(directives)]
    return process.start("nginx", argv, ready=lambda: listening(port), scratch=[folder])


def _adapted(text: str, port: int, backends: Sequence[int]) -> str:
    """The shipped configuration with this test's ports; loudly wrong when the shipped lines have changed."""
    servers = "".join(f"server 127.0.0.1:{backend} max_fails=0;" for backend in backends)
    replacements = {
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "server 127.0.0.1:8081 max_fails=0;": servers,
        "server 127.0.0.1:8082 max_fails=0;": "",
    }
    for old, new in replacements.items():
        if old not in text:
            raise ValueError(f"conf/nginx.conf no longer has the line {old!r}")
        text = text.replace(old, new)
    return text
