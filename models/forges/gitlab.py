"""GitLab: pushes of branches and of tags as its project hooks deliver them."""

import hmac

from models.forges.push import NO_COMMIT, Commit, Forge, Headers, Ignored, Json, Person, Push, check, refuse_skipped

SCHEMA: Json = {
    "type": "object",
    "required": ["ref", "checkout_sha", "project"],
    "properties": {
        "object_kind": {"type": "string"},
        "ref": {"type": "string"},
        "checkout_sha": {"type": ["string", "null"], "pattern": "^[0-9a-f]{40,64}$"},
        "commits": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "message"],
                "properties": {
                    "id": {"type": "string"},
                    "message": {"type": "string"},
                    "url": {"type": "string"},
                    "timestamp": {"type": "string"},
                    "author": {"type": "object", "properties": {"name": {"type": "string"}}},
                },
            },
        },
        "project": {
            "type": "object",
            "required": ["git_ssh_url"],
            "properties": {
                "git_ssh_url": {"type": "string"},
                "git_http_url": {"type": "string"},
                "default_branch": {"type": ["string", "null"]},
            },
        },
    },
}
_EVENTS = {"Push Hook", "Tag Push Hook", "System Hook", "push"}


def read(event: str, payload: Json) -> Push:
    """The push in a delivery of a push hook or a tag push hook."""
    if event not in _EVENTS or payload.get("object_kind", "push") not in {"push", "tag_push"}:
        raise Ignored(f"the event {event} starts no builds")
    check(payload, SCHEMA)
    sha = payload["checkout_sha"]
    if sha is None or NO_COMMIT.fullmatch(sha):
        raise Ignored(f"{payload['ref']} was deleted")
    project = payload["project"]
    info = _commit(payload, sha)
    if info:
        refuse_skipped(info.message)
    return Push(sha, payload["ref"], project.get("default_branch"), project["git_ssh_url"], info)


def _commit(payload: Json, sha: str) -> Commit | None:
    head = next((commit for commit in payload.get("commits", ()) if commit["id"] == sha), None)
    if head is None:
        return None
    name = head.get("author", {}).get("name")
    return Commit(head["message"], head.get("url"), head.get("timestamp"), Person(name) if name else None)


def verify(headers: Headers, body: bytes, secret: str) -> bool | None:
    """GitLab sends the secret itself."""
    given = headers.get("x-gitlab-token")
    return None if given is None else hmac.compare_digest(given.encode(), secret.encode())


FORGE = Forge(read=read, verify=verify, event_header="x-gitlab-event", delivery_header="x-gitlab-event-uuid")
