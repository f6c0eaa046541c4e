"""What repositories use is counted right by pushes that do not wait for each other, on a real PostgreSQL."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from models.quota_audit import audit_usage
from models.tables import Manifest
from registry import manifest_pushes
from registry.collection.manifests import remove_manifests
from registry.manifest_format import OCI_MANIFEST
from registry.manifests import parse_pushed, put_manifest
from registry.names import Digest
from registry.repositories import writable
from tests.factories.pusher import Pusher

PATIENCE_S = 20


def drifts(pusher: Pusher) -> list[int]:
    return [one.drift for one in audit_usage(pusher.services.database) if one.drift]


def annotated(pusher: Pusher, tag: str, note: str) -> dict[str, Any]:
    """The manifest of the tag with an annotation: another one, of the same blobs."""
    with pusher.services.database.read() as session:
        query = select(Manifest.content).where(Manifest.digest == tag)
        return {**json.loads(session.scalars(query).one()), "annotations": {"note": note}}


def test_pushes_of_what_is_counted_do_not_wait_for_each_other(pusher: Pusher) -> None:
    first = pusher.image("v1", b"layer")
    mine, other = (annotated(pusher, first, note) for note in ("mine", "other"))
    content = json.dumps(mine).encode()
    digest, parsed = parse_pushed(content, OCI_MANIFEST, Digest.of(content))
    with ThreadPoolExecutor(1) as pool:
        with pusher.services.database.write() as session:
            put_manifest(session, writable(session, pusher.name), content, digest, parsed, tags=[], actor=pusher.actor)
            pool.submit(pusher.manifest, "v2", other).result(PATIENCE_S)
            grows = pool.submit(pusher.image, "v3", b"another layer")
            with pytest.raises(TimeoutError):
                grows.result(0.2)  # what changes the sum does wait
        grows.result(PATIENCE_S)
    assert drifts(pusher) == []


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_blob_that_nothing_needs_any_more_when_it_is_counted_counts(
    pusher: Pusher, monkeypatch: pytest.MonkeyPatch, *, elsewhere: bool
) -> None:
    """The only manifest that needs it goes after the push has looked. `elsewhere`: another repository needs it, too."""
    first = pusher.image(None, b"layer")
    document = annotated(pusher, first, "another")
    if elsewhere:
        pusher.at("ann/other").image("v1", b"layer")
    look_up: Callable[..., Any] = manifest_pushes._look_up
    removed: list[int] = []

    def look_up_late(*arguments: Any) -> Any:
        found = look_up(*arguments)
        if not removed:
            with pusher.services.database.write() as session:
                mine = select(Manifest.id).where(Manifest.digest == first).order_by(Manifest.id)
                removed.append(session.scalars(mine).all()[0])
                remove_manifests(session, {removed[0]})
        return found

    monkeypatch.setattr(manifest_pushes, "_look_up", look_up_late)
    pusher.manifest("v2", document)
    assert len(removed) == 1
    assert not pusher.has(first)
    assert drifts(pusher) == []
    pusher.pull("v2")
