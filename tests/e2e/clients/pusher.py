"""A client that pushes, deletes and pushes again whatever happens, and remembers what was acknowledged."""

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPException

from tests.e2e.clients.http import KeptAlive, Reply
from tests.e2e.clients.registry import OCI_INDEX, OCI_MANIFEST, Registry, config_of, digest_of, manifest_of

OCTETS = {"Content-Type": "application/octet-stream"}
PAUSE_S = 0.1
SHARED = [random.Random(number).randbytes(200_000) for number in range(6)]
"""Layers that every client pushes again and again, so that some are there, some are not, and some are going."""


class Refused(Exception):
    """A step of a push failed: `reason` is the status, or the kind of the exception."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Pusher(threading.Thread):
    """Does one act after the other until `ended` is set, each again and again until it is acknowledged.

    Other clients may push into the same repository, for each uses tags of its own. `tags` are those that must be there,
    with what they name; `signatures` are acknowledged too, by their subjects; `failures` counts why steps failed, and
    `bodies` has an answer of each status; `longest_s` is the longest time until an act was acknowledged.

    `protection_s`: for how long the installation keeps what nothing names. A HEAD leaves a blob half of that at least;
    who is slower, since the machine has other things to do, may find it gone by nobody's fault: `late` counts those.
    """

    def __init__(
        self,
        registry: Registry,
        repository: str,
        dice: random.Random,
        *,
        large: int = 1_500_000,
        protection_s: float = 3600,
    ) -> None:
        super().__init__(name=f"pusher of {repository}", daemon=True)
        self.tags: dict[str, str] = {}
        self.signatures: dict[str, set[str]] = {}
        self.failures: Counter[str] = Counter()
        self.late = 0
        self.bodies: dict[str, bytes] = {}
        self.pushed = 0
        self.longest_s = 0.0
        self.ended = threading.Event()
        self._registry = registry
        self._connection = KeptAlive()
        self._connected = registry.on(self._connection)
        self._repository = repository
        self._dice = dice
        self._own = f"{dice.getrandbits(32):08x}"
        self._large = large
        self._protection_s = protection_s
        self._registry.authorization(repository)

    def run(self) -> None:
        acts: list[Callable[[], None]] = [self._push, self._push, self._push, self._push_index, self._sign, self._untag]
        while not self.ended.is_set():
            self._until_acknowledged(self._dice.choice(acts))
            self.ended.wait(self._dice.uniform(0, 0.3))
        self._connection.close()

    def check(self) -> None:
        """All that was acknowledged is there, with right digests, and the next push is nothing special."""
        for tag, digest in self.tags.items():
            reply = self._registry.call("GET", self._repository, f"manifests/{tag}").expect(200)
            assert digest_of(reply.body) == digest
            self._check(digest)
        for subject, expected in self.signatures.items():
            if subject in self.tags.values():
                found = self._registry.call("GET", self._repository, f"referrers/{subject}").expect(200).json
                assert expected <= {entry["digest"] for entry in found["manifests"]}
                for digest in expected:
                    self._check(digest)
        self._check(self._push_image(f"{self._own}-afterwards"))
        self._connection.close()

    def _check(self, reference: str) -> None:
        manifest = self._registry.get_manifest(self._repository, reference)
        for child in manifest.get("manifests", ()):
            self._check(child["digest"])
        if "layers" in manifest:
            self._registry.check_image(self._repository, reference)

    def _until_acknowledged(self, act: Callable[[], None]) -> None:
        began = time.monotonic()
        while True:
            tried = time.monotonic()
            try:
                act()
            except Refused as exc:
                if exc.reason == "404" and time.monotonic() - tried >= self._protection_s / 2:
                    self.late += 1
                else:
                    self.failures[exc.reason] += 1
                time.sleep(PAUSE_S)
                if self.ended.is_set():
                    return
                continue
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            return

    def _push(self) -> None:
        tag = self._tag()
        self.tags.pop(tag, None)  # until there is an answer it may name the former image or the new one
        self.tags[tag] = self._push_image(tag)
        self.pushed += 1

    def _push_index(self) -> None:
        tag = self._tag()
        self.tags.pop(tag, None)
        children = [self._push_image(None) for _ in range(2)]
        entries = [{"mediaType": OCI_MANIFEST, "digest": child, "size": 1} for child in children]
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        self.tags[tag] = self._put_manifest(tag, json.dumps(document).encode(), OCI_INDEX)
        self.pushed += 1

    def _sign(self) -> None:
        if self.tags:
            subject = self._dice.choice(list(self.tags.values()))
            self.signatures.setdefault(subject, set()).add(self._push_image(None, subject=subject))
            self.pushed += 1

    def _untag(self) -> None:
        if len(self.tags) > 2:
            tag = self._dice.choice(list(self.tags))
            del self.tags[tag]
            self._call("DELETE", f"manifests/{tag}", (202, 404))

    def _push_image(self, tag: str | None, subject: str | None = None) -> str:
        layers = [*self._dice.sample(SHARED, 2), os.urandom(self._dice.choice((1000, 60_000, self._large)))]
        config = config_of("amd64", *layers)
        for content in (*layers, config):
            self._put_blob(content)
        manifest = manifest_of(config, *layers)
        if subject:
            reference = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}
            manifest = json.dumps({**json.loads(manifest), "subject": reference}).encode()
        return self._put_manifest(tag or digest_of(manifest), manifest, OCI_MANIFEST)

    def _put_manifest(self, reference: str, manifest: bytes, media_type: str) -> str:
        self._call("PUT", f"manifests/{reference}", (201,), headers={"Content-Type": media_type}, body=manifest)
        return digest_of(manifest)

    def _put_blob(self, content: bytes) -> None:
        """As clients do: not at all if it is there; else in one request, in two, or in pieces."""
        digest = digest_of(content)
        if self._call("HEAD", f"blobs/{digest}", (200, 404)).status == 200:
            return
        if len(content) < 100_000 and self._dice.random() < 0.5:
            self._call("POST", f"blobs/uploads/?digest={digest}", (201,), headers=OCTETS, body=content)
            return
        location = self._registry.location(self._call("POST", "blobs/uploads/", (202,), body=b""))
        rest = content
        if len(content) > 100_000:
            stream = _pieces(content) if self._dice.random() < 0.5 else content
            location = self._registry.location(self._call("PATCH", location, (202,), headers=OCTETS, body=stream))
            rest = b""
        self._call("PUT", self._registry.finishing(location, digest), (201,), headers=OCTETS, body=rest)

    def _call(
        self,
        method: str,
        path: str,
        statuses: tuple[int, ...],
        *,
        headers: dict[str, str] | None = None,
        body: bytes | Iterator[bytes] | None = None,
    ) -> Reply:
        try:
            reply = self._connected.call(method, self._repository, path, headers=headers, body=body)
        except (OSError, HTTPException) as exc:
            raise Refused(type(exc).__name__) from exc
        if reply.status not in statuses:
            self.bodies[str(reply.status)] = reply.body
            raise Refused(str(reply.status))
        return reply

    def _tag(self) -> str:
        """Mostly a new one, now and then one that is there."""
        moved = self.tags and self._dice.random() < 0.25
        return self._dice.choice(list(self.tags)) if moved else f"{self._own}-{self.pushed}"


def _pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 300_000):
        yield content[start : start + 300_000]
