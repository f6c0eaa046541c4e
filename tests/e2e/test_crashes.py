"""What was acknowledged survives: processes are killed while clients push, and everything goes on."""

import os
import threading
import time
from http.client import HTTPException
from urllib.parse import urlsplit

from tests.e2e.clients.people import Person
from tests.e2e.clients.registry import digest_of
from tests.services.drydock import Drydock
from tests.services.process import wait_until

PUSHERS = 4
MIB = 1 << 20


def test_pushes_survive_the_death_of_all_web_processes(drydock: Drydock, alice: Person, repository: str) -> None:
    upload = _Upload(alice, repository)
    upload.send(7 * MIB)
    pushers = [_Pusher(alice, f"{repository}-{number}") for number in range(PUSHERS)]
    for pusher in pushers:
        pusher.start()
    wait_until(lambda: all(pusher.acknowledged for pusher in pushers), seconds=30)

    for _ in range(10):  # a moment may come when none of them waits for an answer
        time.sleep(0.3)  # into the next pushes
        drydock.kill_web()
        if any(pusher.interrupted for pusher in pushers):
            break

    for pusher in pushers:
        pusher.ended.set()
        pusher.join()
    assert any(pusher.interrupted for pusher in pushers)
    for pusher in pushers:
        pusher.check()
    upload.send(5 * MIB)
    upload.finish()


class _Upload:
    """An upload that takes its time."""

    def __init__(self, person: Person, repository: str) -> None:
        self._registry = person.registry
        self._repository = repository
        self._sent = b""
        self._path = urlsplit(self._registry.start_upload(repository)).path

    def send(self, size: int) -> None:
        """Send as many more bytes, from where the registry says it is."""
        url, more, kept = self._registry.url + self._path, os.urandom(size), len(self._sent)
        status = self._registry.call("GET", self._repository, url).expect(204)
        assert status.headers["Range"] == f"0-{max(kept - 1, 0)}"
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"{kept}-{kept + size - 1}"}
        reply = self._registry.call("PATCH", self._repository, url, headers=headers, body=more).expect(202)
        self._path = urlsplit(self._registry.location(reply)).path
        self._sent += more

    def finish(self) -> None:
        digest = digest_of(self._sent)
        closing = self._registry.finishing(self._registry.url + self._path, digest)
        self._registry.call("PUT", self._repository, closing, body=b"").expect(201)
        assert self._registry.get_blob(self._repository, digest) == self._sent


class _Pusher(threading.Thread):
    """Pushes one image after the other until told to end, whatever becomes of them."""

    def __init__(self, person: Person, repository: str) -> None:
        super().__init__(name=f"pusher of {repository}", daemon=True)
        self.acknowledged: dict[str, str] = {}
        self.interrupted = False
        self.ended = threading.Event()
        self._repository = repository
        self._registry = person.registry
        self._registry.authorization(repository)

    def run(self) -> None:
        number = 0
        while not self.ended.is_set():
            number += 1
            try:
                self.acknowledged[f"t{number}"] = self._push(f"t{number}")
            except (OSError, HTTPException, AssertionError):
                self.interrupted = True
                time.sleep(0.1)

    def check(self) -> None:
        """All that was acknowledged is there, and the next push is nothing special."""
        for tag, digest in self.acknowledged.items():
            reply = self._registry.call("GET", self._repository, f"manifests/{tag}").expect(200)
            assert digest_of(reply.body) == digest
            self._registry.check_image(self._repository, digest)
        self._push("afterwards")
        self._registry.check_image(self._repository, "afterwards")

    def _push(self, tag: str) -> str:
        return self._registry.push_image(self._repository, tag, os.urandom(400_000), os.urandom(2_000_000))
