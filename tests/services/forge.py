"""A git forge's REST API on loopback, worded as GitHub's, Gitea's, GitLab's or Bitbucket's; it has `ada/app` alone."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

Json = dict[str, Any]
TOKEN = "forge-token"
SSH_URL = "git@127.0.0.1:ada/app.git"

_HUB = {
    "name": "app",
    "full_name": "ada/app",
    "description": None,
    "html_url": "https://forge/ada/app",
    "private": True,
}
_DIALECTS: dict[str, Json] = {
    "github": {"prefix": "/api/v3", "authorization": f"Bearer {TOKEN}", "repository": "/repos/ada/app", "keys": "keys"},
    "gitea": {
        "prefix": "/api/v1",
        "authorization": f"token {TOKEN}",
        "repository": "/repos/ada/app",
        "keys": "keys",
        "per_page": "limit",
        "most": 50,  # however many are asked for
    },
    "gitlab": {"prefix": "/api/v4", "private-token": TOKEN, "repository": "/projects/ada/app", "keys": "deploy_keys"},
    "bitbucket": {
        "prefix": "/2.0",
        "authorization": f"Bearer {TOKEN}",
        "repository": "/repositories/ada/app",
        "keys": "deploy-keys",
        "per_page": "pagelen",
    },
}
_FACTS: dict[str, Json] = {
    "github": {**_HUB, "default_branch": "main", "ssh_url": SSH_URL, "permissions": {"admin": True}},
    "gitea": {**_HUB, "default_branch": "main", "ssh_url": SSH_URL, "permissions": {"admin": True}},
    "gitlab": {
        "path": "app",
        "path_with_namespace": "ada/app",
        "description": None,
        "web_url": "https://forge/ada/app",
        "visibility": "private",
        "default_branch": "main",
        "ssh_url_to_repo": SSH_URL,
        "permissions": {"project_access": {"access_level": 50}},
    },
    "bitbucket": {
        "full_name": "ada/app",
        "description": None,
        "is_private": True,
        "mainbranch": {"name": "main"},
        "links": {
            "html": {"href": "https://forge/ada/app"},
            "clone": [{"name": "https", "href": "https://x"}, {"name": "ssh", "href": SSH_URL}],
        },
    },
}
_NAMESPACES: dict[str, Json] = {
    "github": {"/user": {"login": "ada", "html_url": "https://forge/ada"}, "/user/orgs": []},
    "gitea": {"/user": {"login": "ada", "html_url": "https://forge/ada"}, "/user/orgs": []},
    "gitlab": {
        "/namespaces": [{"full_path": "ada", "name": "ada", "web_url": "https://forge/ada", "kind": "user"}],
    },
    "bitbucket": {
        "/workspaces": {
            "values": [
                {
                    "slug": "ada",
                    "name": "ada",
                    "links": {"html": {"href": "https://forge/ada"}, "avatar": {"href": "x"}},
                }
            ]
        },
    },
}
_SOURCES = {
    "github": "/user/repos",
    "gitea": "/user/repos",
    "gitlab": "/projects",
    "bitbucket": "/repositories/ada",
}


_SECRET = {"authorization", "private-token"}


class Forge:
    """What the forge holds: `keys` and `hooks` as they were posted, by id. `refuse`: why hooks are answered 422.

    `sources`: how many repositories it lists. `about`: what it tells of `ada/app`.
    """

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.words = _DIALECTS[dialect]
        self.keys: dict[str, Json] = {}
        self.hooks: dict[str, Json] = {}
        self.refuse: str | None = None
        self.sources = 1
        self.about: Any = _FACTS[dialect]
        self.port = 0
        self._last = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, method: str, path: str, body: Json | None, asked: Mapping[str, str]) -> tuple[int, Any]:
        """The status and the JSON for a request below the API's prefix."""
        repository = self.words["repository"]
        if path in _NAMESPACES[self.dialect]:
            return 200, _NAMESPACES[self.dialect][path]
        if path == _SOURCES[self.dialect]:
            most = min(int(asked[self.words.get("per_page", "per_page")]), self.words.get("most", 100))
            start = most * (int(asked["page"]) - 1)
            return 200, self._page([_FACTS[self.dialect]] * (min(self.sources, start + most) - start))
        if path == "/repositories/other":
            return 200, self._page([])
        if path == repository:
            return 200, self.about
        for kind, held in ((self.words["keys"], self.keys), ("hooks", self.hooks)):
            if path.startswith(f"{repository}/{kind}"):
                return self._collection(method, path.removeprefix(f"{repository}/{kind}").strip("/"), held, body)
        return 404, {"message": "Not Found"}

    def _collection(self, method: str, name: str, held: dict[str, Json], body: Json | None) -> tuple[int, Any]:
        if method == "GET":
            return 200, self._page(list(held.values()))
        if method == "DELETE":
            return (204, None) if held.pop(name, None) else (404, {"message": "Not Found"})
        if held is self.hooks and self.refuse:
            return 422, {"message": self.refuse}
        self._last += 1
        uuid = self.dialect == "bitbucket" and held is self.hooks
        number: int | str = f"{{uuid-{self._last}}}" if uuid else self._last
        made = {**(body or {}), "uuid" if uuid else "id": number}
        held[str(number)] = made
        return 201, made

    def _page(self, values: list[Json]) -> Any:
        return {"values": values} if self.dialect == "bitbucket" else values


@contextmanager
def forge(dialect: str) -> Iterator[Forge]:
    """Run the forge for as long as the block lasts."""
    held = Forge(dialect)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(held))
    held.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(held: Forge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        do_GET = do_POST = do_DELETE = lambda self: self._serve()  # noqa: N815 - what http.server looks for

        def log_message(self, *_: object) -> None:
            """Nothing: the test looks at what the forge holds."""

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = self._judge(body)
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _judge(self, body: Json | None) -> tuple[int, Any]:
            if any(self.headers.get(name) != held.words[name] for name in _SECRET & held.words.keys()):
                return 401, {"message": "Bad credentials"}
            parts = urlsplit(self.path)
            path, asked, prefix = unquote(parts.path), dict(parse_qsl(parts.query)), held.words["prefix"]
            if not path.startswith(prefix):
                return 404, {}
            return held.answer(self.command, path.removeprefix(prefix), body, asked)

    return Handler
