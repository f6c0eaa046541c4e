"""Gitea and Forgejo: their webhooks carry GitHub's payload with a head commit of their own form."""

from models.forges.github import COMMIT, REPOSITORY
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

SCHEMA: Json = {
    "type": "object",
    "required": ["ref", "after", "repository"],
    "properties": {
        "ref": {"type": "string"},
        "after": {"type": "string", "pattern": "^[0-9a-f]{40,64}$"},
        "commits": {"type": ["array", "null"], "items": {"type": "object", "properties": COMMIT}},
        "head_commit": {"type": ["object", "null"], "required": ["id", "message"], "properties": COMMIT},
        "repository": REPOSITORY,
    },
}


def read(event: str, payload: Json) -> Push:
    """The push in a delivery of the event `push`."""
    if event != "push":
        raise Ignored(f"the event {event} starts no builds")
    check(payload, SCHEMA)
    if NO_COMMIT.fullmatch(payload["after"]):
        raise Ignored(f"{payload['ref']} was deleted")
    repository = payload["repository"]
    info = _commit(payload)
    if info:
        refuse_skipped(info.message)
    return Push(payload["after"], payload["ref"], repository.get("default_branch"), repository["ssh_url"], info)


def _commit(payload: Json) -> Commit | None:
    commits = payload.get("commits") or []
    head = payload.get("head_commit") or next((each for each in commits if each.get("id") == payload["after"]), None)
    if not head or "message" not in head:
        return None
    return Commit(
        head["message"],
        url=head.get("url"),
        date=head.get("timestamp"),
        author=_person(head.get("author")),
        committer=_person(head.get("committer")),
    )


def _person(told: Json | None) -> Person | None:
    name = (told or {}).get("username") or (told or {}).get("name")
    return Person(name) if name else None


FORGE = Forge(
    read=read,
    verify=signed_by_hmac("x-gitea-signature", "sha256"),
    event_header="x-gitea-event",
    delivery_header="x-gitea-delivery",
)
