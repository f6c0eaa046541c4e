"""What is measured. Each operation works on one registry for a moment and returns a rate: more is better."""

import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bench.client import MANIFEST, Client, Refused

MB = 1_000_000
_SMALL_BLOB = 16 << 10
_SERVED_BLOB = 64 << 10
_THREADS = 8
_TAGS = 200


@dataclass(frozen=True)
class Size:
    """How much work: bytes of the layer, requests of a batch, seconds of a load, its connections."""

    layer: int
    batch: int
    seconds: int
    connections: int = 16


class Contestant:
    """A registry with an image in it, on which all operations work."""

    def __init__(self, client: Client, layer: Path, size: Size) -> None:
        self.client = client
        self._layer = layer
        self._size = size
        self._layer_digest = ""
        content = os.urandom(_SERVED_BLOB)
        self._config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": _rootfs(content)}).encode()
        self._served = client.put_blob(content)
        client.put_blob(self._config)
        for number in range(_TAGS):
            client.put_manifest(f"tag-{number:04}", self._manifest(str(number)))

    def operations(self) -> dict[str, Callable[[], float]]:
        """By name, with the unit."""
        served = self.client.path(f"blobs/{self._served}")
        return {
            "push a large layer, MB/s": self.push_layer,
            "pull a large layer, MB/s": self.pull_layer,
            "push 16 KiB blobs, /s": partial(self._batch, lambda _: self.client.put_blob(os.urandom(_SMALL_BLOB))),
            "put manifests, /s": partial(self._batch, self._put_manifest),
            "get a manifest by tag, /s": partial(self._load, self.client.path("manifests/tag-0001")),
            "get a 64 KiB blob, /s": partial(self._load, served),
            "list 100 tags, /s": partial(self._load, self.client.path("tags/list?n=100")),
            "ping, /s": partial(self._load, "/v2/"),
        }

    def push_layer(self) -> float:
        """A layer that no registry has seen, in MB a second."""
        with self._layer.open("r+b") as file:
            file.write(os.urandom(16))
        with self._layer.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        begun = time.perf_counter()
        self.client.put_file(self._layer, digest)
        rate = self._size.layer / MB / (time.perf_counter() - begun)
        self._layer_digest = digest
        return rate

    def pull_layer(self) -> float:
        """The layer that was pushed last, in MB a second."""
        if not self._layer_digest:
            self.push_layer()
        begun = time.perf_counter()
        received = self.client.read_blob(self._layer_digest)
        rate = received / MB / (time.perf_counter() - begun)
        if received != self._size.layer:
            raise Refused(f"{self.client.peer.name} sent {received} of {self._size.layer} bytes")
        return rate

    def _batch(self, request: Callable[[int], object]) -> float:
        """Requests from several threads, in requests a second."""
        begun = time.perf_counter()
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(request, range(self._size.batch)))
        return self._size.batch / (time.perf_counter() - begun)

    def _put_manifest(self, number: int) -> None:
        self.client.put_manifest(f"put-{number % 50}", self._manifest(os.urandom(8).hex()))

    def latency(self, connections: int) -> tuple[float, float]:
        """How long a GET of a manifest by tag takes in milliseconds, half of them and 99 in a hundred at most."""
        printed = self._wrk(self.client.path("manifests/tag-0001"), connections, "--latency")
        return _milliseconds(printed, "50%"), _milliseconds(printed, "99%")

    def _load(self, path: str) -> float:
        """The same GET from many connections for some seconds, in requests a second."""
        return float(re.findall(r"Requests/sec: +([\d.]+)", self._wrk(path, self._size.connections))[0])

    def _wrk(self, path: str, connections: int, *more: str) -> str:
        headers = {**self.client.authorization, "Accept": MANIFEST}
        options = [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
        options += ["--threads", "1", "--connections", str(connections), *more]
        options += ["--duration", f"{self._size.seconds}s", "--timeout", "10s"]
        done = subprocess.run(
            ["wrk", *options, f"{self.client.peer.url}{path}"], check=True, capture_output=True, text=True
        )
        if trouble := re.search(r"(?m)^ +(?:Non-2xx|Socket errors).*$", done.stdout):
            raise Refused(f"{self.client.peer.name}: {path}:{trouble[0]}")
        return done.stdout

    def _manifest(self, note: str) -> bytes:
        described = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor("config.v1+json", self._config),
            "layers": [{**_descriptor("layer.v1.tar", b""), "digest": self._served, "size": _SERVED_BLOB}],
            "annotations": {"note": note},
        }
        return json.dumps(described).encode()


def write_layer(file: Path, size: int) -> Path:
    """Bytes that do not compress."""
    with Path("/dev/urandom").open("rb") as source, file.open("wb") as target:
        for _ in range(size >> 20):
            target.write(source.read(1 << 20))
    return file


def _descriptor(kind: str, content: bytes) -> dict[str, str | int]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": len(content)}


def _rootfs(layer: bytes) -> dict[str, str | list[str]]:
    return {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}


def _milliseconds(printed: str, share: str) -> float:
    """The latency that wrk prints for a share of the requests."""
    number, unit = re.findall(rf"(?m)^ +{share} +([\d.]+)(us|ms|s)$", printed)[0]
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
