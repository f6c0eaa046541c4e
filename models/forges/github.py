"""GitHub and GitHub Enterprise: pushes as its webhooks deliver them."""

from models.forges.push import (
    NO_COMMIT,
    Commit,
    Forge,
    Ignored,
    Json,
    Person,
    Push,
    check,
    refuse_skipped,
    signed_by_hmac,
)

_PERSON = {
    "type": ["object", "null"],
    "properties": {"username": {"type": "string"}, "name": {"type": ["string", "null"]}},
}
COMMIT: Json = {
    **{name: {"type": "string"} for name in ("id", "message", "url", "timestamp")},
    "author": _PERSON,
    "committer": _PERSON,
}
"""The properties of a commit, in Gitea's payloads, too."""
REPOSITORY: Json = {
    "type": "object",
    "required": ["ssh_url"],
    "properties": {
        "ssh_url": {"type": "string"},
        "clone_url": {"type": "string"},
        "default_branch": {"type": ["string", "null"]},
    },
}
SCHEMA: Json = {
    "type": "object",
    "required": ["ref", "repository"],
    "properties": {
        "ref": {"type": "string"},
        "deleted": {"type": "boolean"},
        "head_commit": {
            "type": ["object", "null"],
            "required": ["id", "message"],
            "properties": {**COMMIT, "id": {"type": "string", "pattern": "^[0-9a-f]{40,64}$"}},
        },
        "repository": REPOSITORY,
        "sender": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("login", "html_url", "avatar_url")},
        },
    },
}


def read(event: str, payload: Json) -> Push:
    """The push in a delivery of the event `push`."""
    if event != "push":
        raise Ignored(f"the event {event} starts no builds")
    check(payload, SCHEMA)
    head = payload.get("head_commit")
    if payload.get("deleted") or head is None or NO_COMMIT.fullmatch(head["id"]):
        raise Ignored(f"{payload['ref']} was deleted")
    refuse_skipped(head["message"])
    repository = payload["repository"]
    sender = payload.get("sender", {})
    info = Commit(
        head["message"],
        url=head.get("url"),
        date=head.get("timestamp"),
        author=_person(head.get("author"), sender),
        committer=_person(head.get("committer"), sender),
    )
    return Push(head["id"], payload["ref"], repository.get("default_branch"), repository["ssh_url"], info)


def _person(told: Json | None, sender: Json) -> Person | None:
    name = (told or {}).get("username")
    if not name:
        return None
    known = sender if sender.get("login") == name else {}
    return Person(name, known.get("html_url"), known.get("avatar_url"))


FORGE = Forge(
    read=read,
    verify=signed_by_hmac("x-hub-signature-256", "sha256", prefix="sha256="),
    event_header="x-github-event",
    delivery_header="x-github-delivery",
    pings=frozenset({"ping"}),
)
