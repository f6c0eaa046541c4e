"""Who deletes a manifest and then its blobs finds them gone; what is restored is whole."""

import json

from models.access import Identity, find_repository
from models.session import Session
from models.tag_changes import restore_tag
from registry.names import Digest
from tests.unit.registry.conftest import Registry


def test_blobs_of_deleted_manifests_can_be_deleted_and_come_back_with_the_tag(registry: Registry) -> None:
    digest = registry.push_image("v1")
    manifest = registry.call("GET", "acme/app/manifests/v1").data
    layer = json.loads(manifest)["layers"][0]["digest"]
    assert registry.call("DELETE", f"acme/app/manifests/{digest}").status_code == 202
    assert registry.call("DELETE", f"acme/app/blobs/{layer}").status_code == 202
    assert registry.call("DELETE", f"acme/app/blobs/{layer}").status_code == 404
    assert registry.call("HEAD", f"acme/app/blobs/{layer}").status_code == 404
    assert registry.call("GET", f"acme/app/blobs/{layer}").status_code == 404
    unknown = registry.put_manifest("v1", manifest)
    assert unknown.get_json()["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"
    mount = registry.call("POST", f"acme/app/blobs/uploads/?mount={layer}&from=acme/app")
    assert mount.status_code == 202  # an upload was begun instead

    def restore(session: Session) -> None:
        repository = find_repository(session, "acme", "app")
        assert repository is not None
        restore_tag(session, repository, "v1", digest, actor=Identity(name="somebody"))

    registry.app.extensions["drydock.registry"].services.database.apply(restore)
    assert registry.call("GET", "acme/app/manifests/v1").data == manifest
    assert registry.call("GET", f"acme/app/blobs/{layer}").data == b"layer"
    assert registry.call("DELETE", f"acme/app/blobs/{layer}").status_code == 405


def test_a_deleted_blob_that_is_pushed_again_is_there(registry: Registry) -> None:
    digest = registry.push_image("v1")
    layer = str(Digest.of(b"layer"))
    registry.call("DELETE", f"acme/app/manifests/{digest}")
    registry.call("DELETE", f"acme/app/blobs/{layer}")
    assert registry.push_blob(b"layer") == layer
    assert registry.call("GET", f"acme/app/blobs/{layer}").data == b"layer"
    assert registry.push_image("v1") == digest
    assert registry.call("GET", "acme/app/manifests/v1").status_code == 200
