"""Layers far larger than what a process may keep in memory."""

import hashlib
import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from tests.e2e.clients.http import TIMEOUT_S
from tests.e2e.clients.people import Person
from tests.services.drydock import Drydock

MIB = 1 << 20
SIZE_MIB = 300
MOST_GROWTH_MIB = 100


def test_a_large_layer_goes_through_a_small_memory(drydock: Drydock, alice: Person, repository: str) -> None:
    registry = alice.registry
    registry.push_image(repository, "warm", b"so that everything is loaded")
    registry.check_image(repository, "warm")
    pids = drydock.web_processes()
    before = {pid: _memory(pid, "VmRSS") for pid in pids}
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the high-water mark begins anew

    digest = _digest()
    location = registry.start_upload(repository)
    headers = {"Content-Type": "application/octet-stream"}
    sent = registry.call("PATCH", repository, location, headers=headers, body=_content()).expect(202)
    closing = registry.finishing(registry.location(sent), digest)
    registry.call("PUT", repository, closing, body=b"").expect(201)
    assert _fetched(alice, repository, digest) == digest

    growth = {pid: _memory(pid, "VmHWM") - before[pid] for pid in pids}
    assert max(growth.values()) < MOST_GROWTH_MIB, growth


def _content() -> Iterator[bytes]:
    """Blocks that are all different, and the same each time."""
    block = bytearray(hashlib.shake_128(b"large layer").digest(MIB))
    for number in range(SIZE_MIB):
        block[:4] = number.to_bytes(4, "big")
        yield bytes(block)


def _digest() -> str:
    hasher = hashlib.sha256()
    for block in _content():
        hasher.update(block)
    return f"sha256:{hasher.hexdigest()}"


def _fetched(alice: Person, repository: str, digest: str) -> str:
    """The digest of what comes for a blob, from wherever the registry sends for it."""
    url = f"{alice.registry.url}/v2/{repository}/blobs/{digest}"
    headers = alice.registry.authorization(repository)
    while True:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        answer = connection.getresponse()
        if answer.status != 307:
            break
        url, headers = urljoin(url, answer.headers["Location"]), {}
        connection.close()
    assert answer.status == 200
    hasher = hashlib.sha256()
    while block := answer.read(MIB):
        hasher.update(block)
    connection.close()
    return f"sha256:{hasher.hexdigest()}"


def _memory(pid: int, field: str) -> int:
    """A figure of the process's memory, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1]) // 1024
