"""Triggers made by REST, and deliveries as git forges send them."""

import base64
import hashlib
import hmac
import json
from typing import Any

from tests.factories.api import Answered, Api

TRIGGERS = "/repository/acme/app/trigger/"
GIT = "git@git.example.com:foo/bar.git"
CONFIG = {"build_source": GIT, "dockerfile_path": "/Dockerfile", "context": "/"}
SHA = "0123456789abcdef0123456789abcdef01234567"
PAYLOAD = {
    "commit": SHA,
    "ref": "refs/heads/main",
    "default_branch": "main",
    "commit_info": {"url": "https://git.example.com/c", "message": "change", "date": "2026-11-20T15:40:06+00:00"},
}

GITHUB = {
    "ref": "refs/heads/main",
    "head_commit": {"id": SHA, "message": "m", "url": "u", "timestamp": "t", "author": {"username": "ada"}},
    "repository": {"ssh_url": "git@evil.example.com:a/b.git", "default_branch": "main"},
    "sender": {"login": "ada", "avatar_url": "https://a"},
}
GITEA = {
    "ref": "refs/heads/main",
    "after": SHA,
    "commits": [{"id": SHA, "message": "m"}],
    "repository": {"ssh_url": "git@git.example.com:a/b.git", "default_branch": "main"},
}
GITLAB = {
    "object_kind": "push",
    "ref": "refs/heads/main",
    "checkout_sha": SHA,
    "commits": [{"id": SHA, "message": "m", "author": {"name": "Ada"}}],
    "project": {"git_ssh_url": "git@git.example.com:a/b.git", "default_branch": "main"},
}
BITBUCKET = {
    "push": {"changes": [{"new": {"type": "branch", "name": "main", "target": {"hash": SHA, "message": "m"}}}]},
    "repository": {"full_name": "a/b", "mainbranch": {"name": "main"}},
}
DELETED = (
    GITHUB | {"deleted": True, "head_commit": None},
    GITEA | {"after": "0" * 40},
    GITLAB | {"checkout_sha": None},
    {**BITBUCKET, "push": {"changes": [{"new": None}]}},
)


def create(api: Api, service: str = "custom-git", *, config: Any = None, **rest: Any) -> str:
    answer = api.post(TRIGGERS, {"service": service, "config": config or {}, **rest}, by="owner")
    assert answer.status == 201, answer.text
    return str(answer.body["id"])


def active(api: Api, service: str = "custom-git", **config: Any) -> Any:
    """An active trigger as it is shown."""
    made = create(api, service)
    answer = api.post(f"{TRIGGERS}{made}/activate", {"config": CONFIG | config}, by="owner")
    assert answer.status == 200, answer.text
    return answer.body


def credential(trigger: Any, name: str) -> str:
    return str(next(each["value"] for each in trigger["config"]["credentials"] if each["name"] == name))


def write_token(trigger: Any) -> str:
    return credential(trigger, "Webhook Endpoint URL").partition("$token:")[2].partition("@")[0]


def deliver(
    api: Api, trigger: Any, payload: Any, *, token: str | None = None, secret: str | None = None, **headers: str
) -> Answered:
    """Send a payload as a forge would: with the URL's token, or signed as by GitHub."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = "Basic " + base64.b64encode(f"$token:{token}".encode()).decode()
    if secret is not None:
        sent["X-Hub-Signature-256"] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    client = api.app.test_client()
    answer = client.post(
        f"/webhooks/push/trigger/{trigger['id']}", data=body, headers=sent, content_type="application/json"
    )
    return Answered(answer.status_code, answer.get_json(silent=True), answer.text, answer.headers)


def builds_of(api: Api, trigger: Any) -> list[Any]:
    return list(api.get(f"{TRIGGERS}{trigger['id']}/builds", by="owner").body["builds"])
