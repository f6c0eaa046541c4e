"""Bitbucket Cloud: a delivery may tell of several changes; the last one that is not a deletion counts, as in Quay."""

from models.forges.push import Commit, Forge, Ignored, Json, Person, Push, check, refuse_skipped, signed_by_hmac

_LINKS = {"type": ["object", "null"], "additionalProperties": {"type": ["object", "array", "null"]}}
_USER = {
    "type": ["object", "null"],
    "properties": {
        **{name: {"type": "string"} for name in ("nickname", "username", "display_name")},
        "links": _LINKS,
    },
}
SCHEMA: Json = {
    "type": "object",
    "required": ["push", "repository"],
    "properties": {
        "push": {
            "type": "object",
            "required": ["changes"],
            "properties": {
                "changes": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "new": {
                                "type": ["object", "null"],
                                "required": ["type", "name", "target"],
                                "properties": {
                                    "type": {"type": "string"},
                                    "name": {"type": "string"},
                                    "target": {
                                        "type": "object",
                                        "required": ["hash"],
                                        "properties": {
                                            "hash": {"type": "string", "pattern": "^[0-9a-f]{7,64}$"},
                                            "message": {"type": "string"},
                                            "date": {"type": "string"},
                                            "links": _LINKS,
                                            "author": {"type": ["object", "null"], "properties": {"user": _USER}},
                                        },
                                    },
                                },
                            }
                        },
                    },
                }
            },
        },
        "repository": {
            "type": "object",
            "required": ["full_name"],
            "properties": {
                "full_name": {"type": "string"},
                "mainbranch": {"type": ["object", "null"], "properties": {"name": {"type": "string"}}},
            },
        },
    },
}
_REFS = {"branch": "heads", "named_branch": "heads", "tag": "tags", "annotated_tag": "tags"}


def read(event: str, payload: Json) -> Push:
    """The push in a delivery of the event `repo:push`."""
    if event not in {"repo:push", "push"}:
        raise Ignored(f"the event {event} starts no builds")
    check(payload, SCHEMA)
    changes = [change["new"] for change in payload["push"]["changes"] if change.get("new")]
    if not changes:
        raise Ignored("the push has no change but deletions")
    new, repository = changes[-1], payload["repository"]
    if new["type"] not in _REFS:
        raise Ignored(f"a {new['type']} starts no builds")
    target = new["target"]
    refuse_skipped(target.get("message", ""))
    main = (repository.get("mainbranch") or {}).get("name")
    ref = f"refs/{_REFS[new['type']]}/{new['name']}"
    return Push(target["hash"], ref, main, f"git@bitbucket.org:{repository['full_name']}.git", _commit(target))


def _commit(target: Json) -> Commit | None:
    if "message" not in target:
        return None
    user = (target.get("author") or {}).get("user") or {}
    name = user.get("nickname") or user.get("username") or user.get("display_name")
    links = user.get("links") or {}
    author = Person(name, _link(links, "html"), _link(links, "avatar")) if name else None
    return Commit(target["message"], _link(target.get("links") or {}, "html"), target.get("date"), author)


def _link(links: Json, name: str) -> str | None:
    link = links.get(name)
    found = link.get("href") if isinstance(link, dict) else None
    return found if isinstance(found, str) else None


FORGE = Forge(
    read=read,
    verify=signed_by_hmac("x-hub-signature", "sha256", prefix="sha256="),
    event_header="x-event-key",
    delivery_header="x-request-uuid",
    pings=frozenset({"diagnostics:ping"}),
)
