"""The REST API as a script uses it, with an access token."""

import json
import time
from typing import Any

from tests.e2e.clients.http import Reply, call

ENDED = {"complete", "error", "internalerror", "cancelled"}


class Rest:
    """Calls operations below `/api/v1`."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self._token = token

    def call(self, method: str, path: str, body: Any = None) -> Reply:
        """Send a request, with `body` as JSON if there is any."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = None if body is None else json.dumps(body).encode()
        return call(method, f"{self.url}/api/v1{path}", headers=headers, body=content)

    def get(self, path: str) -> Any:
        """The JSON of an operation that must answer 200."""
        return self.call("GET", path).expect(200).json

    def post(self, path: str, body: Any = None) -> Any:
        """The JSON of an operation that must succeed."""
        return self.call("POST", path, {} if body is None else body).expect(200, 201).json

    def put(self, path: str, body: Any = None) -> Any:
        """The JSON of an operation that must succeed."""
        return self.call("PUT", path, {} if body is None else body).expect(200, 201).json

    def create_repository(self, name: str, *, visibility: str = "private") -> None:
        """Create `namespace/name`."""
        namespace, _, rest = name.partition("/")
        body = {"namespace": namespace, "repository": rest, "visibility": visibility, "description": ""}
        self.call("POST", "/repository", body).expect(201)

    def permit(self, repository: str, account: str, role: str) -> None:
        """Let a user or robot do what `role` allows in the repository."""
        self.put(f"/repository/{repository}/permissions/user/{account}", {"role": role})

    def robot(self, organization: str | None, name: str) -> tuple[str, str]:
        """Create a robot, of the caller if of no organization; its user name and password."""
        owner = f"/organization/{organization}" if organization else "/user"
        made = self.put(f"{owner}/robots/{name}")
        return made["name"], made["token"]

    def build(self, repository: str, archive_url: str, **options: Any) -> "Build":
        """Ask for a build."""
        body = {"archive_url": archive_url, **options}
        made = self.call("POST", f"/repository/{repository}/build/", body).expect(201).json
        return Build(self, repository, made["id"])


class Build:
    """A build that was asked for."""

    def __init__(self, rest: Rest, repository: str, uuid: str) -> None:
        self._rest = rest
        self.uuid = uuid
        self.path = f"/repository/{repository}/build/{uuid}"

    @property
    def phase(self) -> str:
        return str(self.status()["phase"])

    def status(self) -> Any:
        return self._rest.get(f"{self.path}/status")

    def logs(self, start: int = 0) -> list[dict[str, Any]]:
        """The log entries from number `start` on that there are by now."""
        answer = self._rest.get(f"{self.path}/logs?start={start}")
        entries: list[dict[str, Any]] = answer["logs"]
        assert answer["start"] == start
        assert answer["total"] >= start + len(entries)
        return entries

    def text(self) -> str:
        """The log as a person reads it."""
        return "\n".join(f"{entry.get('type', '')}: {entry['message']}" for entry in self.logs())

    def events(self) -> list[dict[str, str]]:
        """What the log's event stream tells until it ends, which is when the build has."""
        answer = self._rest.call("GET", f"{self.path}/logs/stream").expect(200)
        blocks = [block for block in answer.body.decode().split("\n\n") if block and not block.startswith(":")]
        return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]

    def cancel(self) -> None:
        self._rest.call("DELETE", self.path).expect(201)

    def wait(self, *phases: str, seconds: float = 60) -> str:
        """Wait for one of the phases, and return it; fails at once when the build ends in another, telling its log."""
        wanted, end = set(phases), time.monotonic() + seconds
        while (phase := self.phase) not in wanted:
            if phase in ENDED or time.monotonic() > end:
                raise AssertionError(f"the build is {phase}, expected {phases}\n{self.text()}")
            time.sleep(0.1)
        return phase
