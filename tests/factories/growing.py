"""The small company of tests/factories/world.py, with more and more of everything in it."""

from typing import Any

from models.access import find_account
from models.messages import create_message
from models.user_notifications import notify
from tests.factories.api import Answered, Api
from tests.factories.pusher import Pusher
from tests.factories.world import CLIENT_ID, make_world

ACME, APP = "/organization/acme", "/repository/acme/app"


class Growing:
    """Made by REST wherever that is possible. `digest` is that of the manifest that was pushed last."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.size = 0
        self.digest = ""
        with api.database.write() as session:
            self._owner = make_world(session)["owner"]
        for namespace in ("organization/acme", "superuser/users/owner"):
            self._call("POST", f"/{namespace}/quota", {"limit_bytes": 1 << 30}, by="root")

    def grow(self, number: int) -> None:
        """Add so many of everything."""
        for each in range(self.size, self.size + number):
            self._people(f"more{each}", f"outside{each}")
            self._repositories(f"more{each}", f"outside{each}")
            self._around_the_repository(f"more{each}", each)
            self._content(f"more{each}", each)
        self.size += number

    def _people(self, name: str, outside: str) -> None:
        for user in (name, outside):
            self.api.token(user)
        self._call("PUT", f"{ACME}/team/{name}", {"role": "member"})
        for member in (name, "owner"):
            self._call("PUT", f"{ACME}/team/{name}/members/{member}")
        for robots in (f"{ACME}/robots", "/user/robots"):
            self._call("PUT", f"{robots}/{name}", {})
        for member in (name, f"acme+{name}"):
            self._call("PUT", f"{ACME}/team/members/members/{member}")
        self._call("PUT", f"{ACME}/team/members/invite/{name}@example.org")
        self._call("POST", f"{ACME}/prototypes", {"role": "read", "delegate": {"kind": "team", "name": name}})
        self._call("POST", f"{ACME}/applications", {"name": name})
        self._call("POST", f"{ACME}/applications/{CLIENT_ID}/tokens", {"name": name, "scope": "repo:read"})
        self._call("POST", "/organization/", {"name": f"org-{name}"})

    def _repositories(self, name: str, outside: str) -> None:
        visibility = {"visibility": "public", "description": "more of it"}
        self._call("POST", "/repository", {"namespace": "acme", "repository": name, **visibility})
        self._call("POST", "/user/starred", {"namespace": "acme", "repository": name})
        subjects = (f"user/{name}", f"user/{outside}", f"user/acme+{name}", "user/acme+more0", f"team/{name}")
        for repository in ("app", name):
            for subject in (*subjects, "team/members"):
                self._call("PUT", f"/repository/acme/{repository}/permissions/{subject}", {"role": "write"})

    def _around_the_repository(self, name: str, number: int) -> None:
        hook = {"method": "webhook", "config": {"url": "https://example.com/"}, "eventConfig": {}, "title": name}
        self._call("POST", f"{APP}/notification/", {**hook, "event": "repo_push"})
        for wishes in (f"{ACME}/notifications", "/user/namespacenotifications"):
            self._call("POST", wishes, {**hook, "event": "quota_warning"})
        self._call("POST", f"{APP}/tokens/", {"friendlyName": name})
        self._call("POST", f"{APP}/build/", {"archive_url": "https://example.com/a.tgz"})
        git = {"build_source": "git@git.example.com:foo/bar.git"}
        self._call("POST", f"{APP}/trigger/", {"service": "custom-git", "config": git})
        with self.api.database.write() as session:
            create_message(session, name, severity="info", media_type="text/plain")
            owner = find_account(session, "owner")
            assert owner is not None
            notify(session, owner, "org_team_invite", {"org": name, "number": number})

    def _content(self, name: str, number: int) -> None:
        layers = [f"layer {each}".encode() for each in range(number + 1)]
        pusher = Pusher(self.api.services, self._owner)
        pusher.image(name, *layers)
        digest = self.digest = pusher.image("latest", *layers, config=b'{"architecture": "amd64"}')
        label = {"key": name, "value": "more", "media_type": "text/plain"}
        for each in range(number + 1):
            self._call("POST", f"{APP}/manifest/{digest}/labels", {**label, "key": f"{name}-{each}"})

    def _call(self, method: str, path: str, body: Any = None, *, by: str = "owner") -> Answered:
        answer = self.api.call(method, path, json=body, by=by)
        assert answer.status < 300, (method, path, answer)
        return answer
