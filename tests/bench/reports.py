"""What else is worth knowing of a registry under load: its memory, its latency, and what S3 costs."""

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

from tests.bench.client import Client, drain
from tests.bench.peers import Peer, running_on_s3, running_peers
from tests.bench.work import MB, Contestant, Size, write_layer
from tests.services.base_image import cache_folder

UPLOADS = 64
CONNECTIONS = (1, 16, 64)


def report_latency(size: Size) -> None:
    """latency of a manifest by tag, at 1, 16 and 64 connections"""
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder, running_peers() as peers:
        layer = write_layer(Path(folder) / "layer", 1 << 20)
        for peer in peers:
            contestant = Contestant(Client(peer), layer, size)
            for connections in CONNECTIONS:
                half, most = contestant.latency(connections)
                _say(f"{peer.name:22} {connections:3} connections: p50 {half:6.2f} ms, p99 {most:6.2f} ms")


def report_memory(size: Size) -> None:
    """memory of the web processes while 64 uploads of 64 MiB go on (8 MiB with --quick)"""
    length = min(64 << 20, size.layer // 8)
    with running_peers() as peers:
        for peer in peers[1:]:
            Client(peer).put_blob(b"warm")
            before = _memory(peer)
            with _Watch(peer) as watch, ThreadPoolExecutor(UPLOADS) as pool:
                began = time.perf_counter()
                list(pool.map(lambda _, peer=peer: Client(peer).put_blob(os.urandom(length)), range(UPLOADS)))
                rate = UPLOADS * length / MB / (time.perf_counter() - began)
            _say(f"{peer.name:22} {before:5.0f} MB before, {watch.peak:5.0f} MB at most, at {rate:.0f} MB/s")


def report_s3(size: Size) -> None:
    """a large layer through Drydock on S3, beside the same S3 server without it"""
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder, running_on_s3() as (peer, bucket):
        layer = write_layer(Path(folder) / "layer", size.layer)
        contestant, client = Contestant(Client(peer), layer, size), bucket.client()

        def put() -> float:
            began = time.perf_counter()
            client.upload_file(str(layer), bucket.name, "raw")
            return size.layer / MB / (time.perf_counter() - began)

        def get() -> float:
            began = time.perf_counter()
            received = drain(client.get_object(Bucket=bucket.name, Key="raw")["Body"])
            return received / MB / (time.perf_counter() - began)

        for name, ours, raw in (("push", contestant.push_layer, put), ("pull", contestant.pull_layer, get)):
            pairs = [(ours(), raw()) for _ in range(3)]
            through, direct = (statistics.median(rates) for rates in zip(*pairs, strict=True))
            _say(f"{name}: {through:5.0f} MB/s through Drydock, {direct:5.0f} MB/s without ({through / direct:.0%})")


REPORTS: Mapping[str, Callable[[Size], None]] = MappingProxyType(
    {"latency": report_latency, "memory": report_memory, "s3": report_s3}
)


class _Watch:
    """Looks at the memory of a registry's processes again and again; `peak` is the most it saw, in MB."""

    def __init__(self, peer: Peer) -> None:
        self.peak = 0.0
        self._peer = peer
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.2):
            self.peak = max(self.peak, _memory(self._peer))


def _memory(peer: Peer) -> float:
    """MB that the peer's processes use together, shared pages counted once (PSS)."""
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in peer.processes()]
    sizes = [int(line.split()[1]) for text in rollups for line in text.splitlines() if line.startswith("Pss:")]
    return sum(sizes) * 1024 / MB


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201
