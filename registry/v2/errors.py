"""How errors look on /v2: the distribution specification's error body, from one table."""

import logging
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from werkzeug.exceptions import HTTPException

from models import errors as domain
from models.dialect import is_full
from registry.errors import DigestInvalid, NameInvalid, RegistryError, TagInvalid
from registry.names import Malformed, MalformedDigest, MalformedTag
from storage.driver import StorageError, StorageFull

log = logging.getLogger(__name__)

API_VERSION = {"Docker-Distribution-API-Version": "registry/2.0"}


class Challenge(RegistryError):
    code, message, status = "UNAUTHORIZED", "authentication required", 401


class Denied(RegistryError):
    code, message, status = "DENIED", "requested access to the resource is denied", 403


DOMAIN: dict[type[domain.DomainError], tuple[int, str, str]] = {
    domain.Unauthenticated: (401, "UNAUTHORIZED", "authentication required"),
    domain.Forbidden: (403, "DENIED", "requested access to the resource is denied"),
    domain.NotFound: (404, "NAME_UNKNOWN", "not known to registry"),
    domain.Invalid: (400, "NAME_INVALID", "invalid request"),
    domain.Conflict: (409, "DENIED", "the state of the resource does not allow this"),
    domain.TagImmutable: (409, "TAG_IMMUTABLE", "the tag is immutable"),
    domain.QuotaExceeded: (403, "DENIED", "the namespace's quota would be exceeded"),
    domain.ReadOnly: (405, "DENIED", "read-only"),
    domain.TooMany: (429, "TOOMANYREQUESTS", "too many requests"),
    domain.Upstream: (503, "UNAVAILABLE", "a service this registry depends on does not answer"),
}
MALFORMED: dict[type[Malformed], type[RegistryError]] = {MalformedDigest: DigestInvalid, MalformedTag: TagInvalid}
BY_STATUS = {404: "NAME_UNKNOWN", 405: "UNSUPPORTED", 413: "SIZE_INVALID"}


def register(blueprint: Blueprint) -> None:
    """Let the blueprint's views answer every error in the specification's form."""
    for kind, handler in _HANDLERS:
        blueprint.register_error_handler(kind, handler)


def _refused(error: RegistryError) -> Response:
    return _answer(error.status, error.code, error.message, error.detail, error.headers)


def _malformed(error: Malformed) -> Response:
    kind = MALFORMED.get(type(error), NameInvalid)
    return _answer(kind.status, kind.code, kind.message, str(error))


def _broken_rule(error: domain.DomainError) -> Response:
    status, code, message = DOMAIN[type(error)]
    wait = getattr(error, "retry_after", None)
    return _answer(status, code, message, error.detail, {"Retry-After": str(wait)} if wait else {})


def _storage_failed(error: StorageError) -> Response:
    if isinstance(error, StorageFull):
        log.error("%s", error)
        return _answer(507, "UNAVAILABLE", "the storage of this registry is full", "")
    log.error("storage failed", exc_info=error)
    return _answer(503, "UNAVAILABLE", "storage does not answer", "", {"Retry-After": "5"})


def _database_failed(error: OperationalError | PoolExhausted) -> Response:
    if isinstance(error, OperationalError) and is_full(error):
        log.error("the disk of the database is full")
        return _answer(507, "UNAVAILABLE", "the disk of this registry's database is full", "")
    log.error("the database failed", exc_info=error)
    return _answer(503, "UNAVAILABLE", "the database does not answer", "", {"Retry-After": "5"})


def _unexpected(error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return _answer(500, "UNKNOWN", "an unexpected error, which the registry's log describes", "")


def answer_http(error: HTTPException) -> Response:
    """What the framework has refused: also the answer to paths and methods below /v2/ that do not exist."""
    status = error.code or 500
    return _answer(status, BY_STATUS.get(status, "UNSUPPORTED"), error.description or error.name, "")


_HANDLERS: tuple[tuple[type[Exception], Callable[..., Response]], ...] = (
    (RegistryError, _refused),
    (Malformed, _malformed),
    (domain.DomainError, _broken_rule),
    (StorageError, _storage_failed),
    (OperationalError, _database_failed),
    (PoolExhausted, _database_failed),
    (HTTPException, answer_http),
    (Exception, _unexpected),
)


def _answer(status: int, code: str, message: str, detail: Any, headers: dict[str, str] | None = None) -> Response:
    response = jsonify(errors=[{"code": code, "message": message, "detail": detail or {}}])
    response.status_code = status
    response.headers.update(API_VERSION | (headers or {}))
    return response
