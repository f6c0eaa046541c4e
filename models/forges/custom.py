"""Any git server: a payload of Quay's own form, or that of a forge whose hook was pointed at the same URL."""

from collections.abc import Callable

from models.errors import Invalid
from models.forges import bitbucket, gitea, github, gitlab
from models.forges.push import (
    REF,
    SHA,
    Commit,
    Forge,
    Headers,
    Json,
    Person,
    Push,
    check,
    refuse_skipped,
    signed_by_hmac,
)

_PERSON = {
    "type": "object",
    "required": ["username"],
    "properties": {name: {"type": "string"} for name in ("username", "url", "avatar_url")},
}
SCHEMA: Json = {
    "type": "object",
    "required": ["commit", "ref", "default_branch"],
    "properties": {
        "commit": {"type": "string", "pattern": SHA},
        "ref": {"type": "string", "pattern": REF},
        "default_branch": {"type": "string"},
        "commit_info": {
            "type": "object",
            "required": ["url", "message", "date"],
            "properties": {
                "url": {"type": "string"},
                "message": {"type": "string"},
                "date": {"type": "string"},
                "author": _PERSON,
                "committer": _PERSON,
            },
        },
    },
}
# How to tell whose payload it is, for senders whose headers a relay has dropped.
_MARKS: tuple[tuple[Callable[[Json], bool], Forge], ...] = (
    (lambda payload: "push" in payload and "repository" in payload, bitbucket.FORGE),
    (lambda payload: "checkout_sha" in payload, gitlab.FORGE),
    (lambda payload: "head_commit" in payload and "sender" in payload, github.FORGE),
    (lambda payload: "after" in payload and "repository" in payload, gitea.FORGE),
)


def forge_of(headers: Headers) -> Forge:
    """Whose delivery it is by its headers; a plain one if no forge's."""
    # Gitea sends GitHub's headers beside its own.
    ordered = (gitea.FORGE, gitlab.FORGE, bitbucket.FORGE, github.FORGE)
    return next((forge for forge in ordered if forge.event_header in headers), FORGE)


def read(event: str, payload: Json) -> Push:
    """The push in a payload of Quay's form, or of a forge's that can be told by its members."""
    if "commit" not in payload:
        for marked, forge in _MARKS:
            if marked(payload):
                return forge.read("push", payload)
    check(payload, SCHEMA)
    info = payload.get("commit_info")
    commit = None
    if info:
        refuse_skipped(info["message"])
        people = {role: Person(**_known(info[role])) for role in ("author", "committer") if role in info}
        commit = Commit(info["message"], info["url"], info["date"], **people)
    return Push(payload["commit"], payload["ref"], payload["default_branch"], None, commit)


def _known(person: Json) -> Json:
    return {name: person[name] for name in ("username", "url", "avatar_url") if name in person}


def check_sha(commit: str) -> None:
    """`Invalid` for what is no commit hash, as Quay words it."""
    check_pattern = {"type": "string", "pattern": SHA}
    try:
        check({"commit_sha": commit}, {"type": "object", "properties": {"commit_sha": check_pattern}})
    except Invalid as exc:
        raise Invalid(exc.detail.removeprefix("commit_sha: ")) from exc


FORGE = Forge(read=read, verify=signed_by_hmac("x-drydock-signature-256", "sha256", prefix="sha256="))
