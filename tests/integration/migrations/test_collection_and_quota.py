"""What the version before has written is counted, protected and collected by this one."""

from sqlalchemy import text

from models import migrate
from models.quota_audit import audit_usage
from models.session import Database
from registry.collection.terms import Terms
from registry.fsck import check
from registry.gc import collect
from registry.names import Digest
from storage.memory import MemoryStorage

CONTENT = (
    b'{"schemaVersion": 2, "config": {"mediaType": "x", "digest": "%s", "size": 3}, "layers": []}'
    % str(Digest.of(b"one")).encode()
)
MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
BEFORE = (
    "INSERT INTO account (id, uuid, kind, name, enabled, created_at, tag_expiration_s, invoice_email, verified, "
    "superuser, failed_logins) VALUES (1, 'u', 'organization', 'acme', true, :at, 1209600, false, false, false, 0)",
    "INSERT INTO repository (id, namespace_id, name, is_public, description, state, trust_enabled, status_token, "
    "created_at) VALUES (1, 1, 'app', false, '', 'NORMAL', false, 't', :at)",
    "INSERT INTO blob (id, digest, size, path, created_at) "
    "VALUES (1, :one, 3, 'blobs/1', :at), (2, :two, 3, 'blobs/2', :at)",
    "INSERT INTO repository_blob (repository_id, blob_id, linked_at) VALUES (1, 1, :at), (1, 2, :at)",
    "INSERT INTO manifest (id, repository_id, digest, media_type, content, size, image_size, is_index, created_at) "
    "VALUES (1, 1, :manifest, :media_type, :content, 1, 3, false, :at)",
    "INSERT INTO manifest_blob (manifest_id, blob_id, repository_id) VALUES (1, 1, 1)",
    "INSERT INTO tag (id, repository_id, name, manifest_id, start_ms, reversion, immutable) "
    "VALUES (1, 1, 'v1', 1, 1, false, false)",
)


def test_content_of_the_version_before_is_counted_kept_and_collected(database: Database) -> None:
    migrate.upgrade(database, "0001")
    values = {
        "at": "2024-01-01 00:00:00",
        "one": str(Digest.of(b"one")),
        "two": str(Digest.of(b"two")),
        "manifest": str(Digest.of(CONTENT)),
        "media_type": MEDIA_TYPE,
        "content": CONTENT,
    }
    with database.write() as session:
        for statement in BEFORE:
            known = {name: value for name, value in values.items() if f":{name}" in statement}
            session.execute(text(statement), known)
    storage = MemoryStorage()
    storage.write("blobs/1", b"one")
    storage.write("blobs/2", b"two")

    assert migrate.upgrade(database)[0] == "0002"

    (acme,) = audit_usage(database)
    assert (acme.kept, acme.claimed, acme.needed, acme.repositories) == (3, 3, 3, 0)
    assert list(check(database, storage, deep=True)) == []
    assert collect(database, storage, Terms()).blobs == 1
    assert [path for path, _ in storage.list("")] == ["blobs/1"]
