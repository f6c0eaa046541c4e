"""What the database knows of blobs on their way in.

An upload has no row until bytes of it are safe: its id is signed, so any process can tell that it was begun here. The
row then says how far it is. When it has been finished or cancelled the row stays, ended, until collection removes it:
an id is good for one blob.
"""

import hmac
import secrets
import time
from dataclasses import dataclass, field, replace
from typing import Any, cast

from sqlalchemy import bindparam, select, update

from models.dialect import insert_or_leave
from models.session import Session
from models.tables import Upload as Row
from models.tables.base import now
from models.vault import Vault
from registry.errors import UploadUnknown

LIFE_S = 24 * 3600
"""How long an id without a row is good for."""
ENDED = -1
"""The revision of an upload that was finished or cancelled."""
_MAC_LENGTH = 16
_LENGTH = 8 + 12 + _MAC_LENGTH


@dataclass(frozen=True)
class Upload:
    """A blob being received into a repository. `id` is None while there is no row.

    `size` bytes are safe, `digest` is theirs if one request brought them all, and the driver continues from `state`.
    `revision` grows with each request that takes the upload on: two requests cannot both continue from one.
    """

    uuid: str
    repository_id: int
    id: int | None = None
    path: str = ""
    size: int = 0
    digest: str | None = None
    state: dict[str, Any] = field(default_factory=dict)
    revision: int = 0


_FIND = select(Row.uuid, Row.repository_id, Row.id, Row.path, Row.size, Row.digest, Row.state, Row.revision).where(
    Row.uuid == bindparam("wanted"), Row.repository_id == bindparam("repository")
)
_CHANGE = (
    update(Row)
    .where(Row.id == bindparam("known_id"), Row.revision == bindparam("known_revision"))
    .values({name: bindparam(name) for name in ("path", "size", "digest", "state", "revision", "updated_at")})
    .returning(Row.id)
)


def new_upload(vault: Vault, repository_id: int) -> Upload:
    """An upload that begins now; nothing is written."""
    name = f"{int(time.time()):08x}{secrets.token_hex(6)}"
    return Upload(uuid=name + _mac(vault.fingerprint(_signed(name, repository_id))), repository_id=repository_id)


def find_upload(session: Session, repository_id: int, uuid: str) -> Upload:
    """The upload under way in the repository; UploadUnknown."""
    row = session.run(_FIND, {"wanted": uuid, "repository": repository_id}).first()
    if row is not None and row.revision != ENDED:
        return Upload(*row)  # the columns are its fields, in order
    begun = begun_upload(session.vault, repository_id, uuid) if row is None else None
    if begun is None:
        raise UploadUnknown({"uuid": uuid})
    return begun


def has_ended(session: Session, repository_id: int, uuid: str) -> bool:
    """Whether the upload was finished or cancelled, within the day for which that is remembered."""
    row = session.run(_FIND, {"wanted": uuid, "repository": repository_id}).first()
    return row is not None and row.revision == ENDED


def begun_upload(vault: Vault, repository_id: int, uuid: str) -> Upload | None:
    """An upload without a row, if it was begun here."""
    name, mac = uuid[:-_MAC_LENGTH], uuid[-_MAC_LENGTH:]
    if len(uuid) != _LENGTH or not uuid.isascii():
        return None
    known = [_mac(found) for found in vault.fingerprints(_signed(name, repository_id))]
    if not any([hmac.compare_digest(mac, one) for one in known]):  # noqa: C419  all are compared, in constant time
        return None
    fresh = time.time() - int(name[:8], 16) < LIFE_S
    return Upload(uuid=uuid, repository_id=repository_id) if fresh else None


def save(session: Session, upload: Upload, grown: Upload) -> Upload | None:
    """Write down that `upload` has become `grown`; as it is now, or None if another request was first."""
    revision = upload.revision + 1
    id_ = _write(session, upload, replace(grown, revision=revision))
    return None if id_ is None else replace(grown, id=id_, revision=revision)


def end(session: Session, upload: Upload) -> bool:
    """Note that the upload is over; False if another request was first."""
    return _write(session, upload, Upload(upload.uuid, upload.repository_id, revision=ENDED)) is not None


def end_new(session: Session, uploads: list[Upload]) -> set[str]:
    """Note that uploads without rows are over; the uuids of those where no other request was first."""
    rows = [_new_row(upload, replace(upload, revision=ENDED)) for upload in uploads]
    insert = insert_or_leave(session.get_bind().dialect.name, Row, returning=("uuid",))
    return set(session.run(insert, rows).scalars()) if rows else set()


def _write(session: Session, known: Upload, new: Upload) -> int | None:
    """Insert the row, or change it if it is as this request knows it; its id."""
    if known.id is not None:
        guarded = {**_values(new), "known_id": known.id, "known_revision": known.revision}
        return cast(int | None, session.run(_CHANGE, guarded).scalar())
    insert = insert_or_leave(session.get_bind().dialect.name, Row, returning=("id",))
    return cast(int | None, session.run(insert, _new_row(known, new)).scalar())


def _values(upload: Upload) -> dict[str, Any]:
    return {
        "path": upload.path,
        "size": upload.size,
        "digest": upload.digest,
        "state": upload.state,
        "revision": upload.revision,
        "updated_at": now(),
    }


def _new_row(known: Upload, new: Upload) -> dict[str, Any]:
    values = _values(new)
    return {
        **values,
        "uuid": known.uuid,
        "repository_id": known.repository_id,
        "created_at": values["updated_at"],
    }


def _signed(name: str, repository_id: int) -> str:
    return f"upload/{repository_id}/{name}"


def _mac(fingerprint: str) -> str:
    return fingerprint[:_MAC_LENGTH]
