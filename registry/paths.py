"""Every path in storage is made here.

    blobs/<2 hex>/<uuid>        one blob each; which one, its row in the database tells
    logs/…                      archived logs (see buildworker.logs)

A blob's path is chosen when its upload begins, before its digest is known, so that finishing an upload never copies.
A path is used once: content that is deleted and pushed again lies at another one, so deleting bytes can never race
with a push of the same digest.
"""

from uuid import uuid4

BLOBS = "blobs"


def new_blob_path() -> str:
    name = uuid4().hex
    return f"{BLOBS}/{name[:2]}/{name}"
