"""What the registry refuses, in the words of the distribution specification ("Error codes").

Each error is one record: code, message, HTTP status. Raised by content rules, written by registry.v2.errors.
"""

from typing import Any, ClassVar


class RegistryError(Exception):
    """A request the registry refuses; `detail` goes to the client."""

    code: ClassVar[str]
    message: ClassVar[str]
    status: ClassVar[int]

    def __init__(self, detail: Any = "", *, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{self.code}: {detail}")
        self.detail = detail
        self.headers = headers or {}


class BlobUnknown(RegistryError):
    code, message, status = "BLOB_UNKNOWN", "blob unknown to registry", 404


class BlobInUse(RegistryError):
    code, message, status = "UNSUPPORTED", "the blob is part of a manifest in this repository", 405


class UploadInvalid(RegistryError):
    code, message, status = "BLOB_UPLOAD_INVALID", "blob upload invalid", 400


class UploadUnknown(RegistryError):
    code, message, status = "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", 404


class UploadOutOfOrder(RegistryError):
    code, message, status = "BLOB_UPLOAD_INVALID", "the chunk does not follow what was received", 416


class DigestInvalid(RegistryError):
    code, message, status = "DIGEST_INVALID", "provided digest did not match uploaded content", 400


class SizeInvalid(RegistryError):
    code, message, status = "SIZE_INVALID", "content is larger than this registry allows", 413


class ManifestInvalid(RegistryError):
    code, message, status = "MANIFEST_INVALID", "manifest invalid", 400


class ManifestTypeUnsupported(RegistryError):
    code, message, status = "MANIFEST_INVALID", "manifest media type not supported", 415


class ManifestBlobUnknown(RegistryError):
    code, message, status = "MANIFEST_BLOB_UNKNOWN", "manifest references content unknown to the repository", 400


class ManifestUnknown(RegistryError):
    code, message, status = "MANIFEST_UNKNOWN", "manifest unknown", 404


class NameInvalid(RegistryError):
    code, message, status = "NAME_INVALID", "invalid repository name", 400


class NameUnknown(RegistryError):
    code, message, status = "NAME_UNKNOWN", "repository name not known to registry", 404


class ScopeInvalid(RegistryError):
    code, message, status = "INVALID_REQUEST", "the scope asked for is none", 400  # as Quay; OCI has no such code


class TagInvalid(RegistryError):
    code, message, status = "TAG_INVALID", "invalid tag", 400


class PaginationInvalid(RegistryError):
    code, message, status = "PAGINATION_NUMBER_INVALID", "invalid number of results requested", 400


class RangeUnsatisfiable(RegistryError):
    code, message, status = "RANGE_INVALID", "the range lies outside of the content", 416


class Unsupported(RegistryError):
    code, message, status = "UNSUPPORTED", "the operation is unsupported", 405
