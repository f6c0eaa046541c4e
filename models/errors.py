"""What can go wrong in the domain. No HTTP here: each surface maps these to its own answers.

DomainError
├── Unauthenticated   nobody is signed in, or the credential presented is not valid
│   └── Unconfirmed   the credential is right, but the account's address has to be confirmed first
├── StaleLogin        somebody is, but gave the password too long ago for this
├── Forbidden         somebody is, but may not do this (or may not know whether it exists)
├── NotFound          the thing named does not exist
├── Invalid           the input breaks a rule; nothing was changed
│   └── Exceeded      it is larger, or takes longer, than is allowed here
├── Conflict          the input is fine, the state is not: a name taken, an object in use
├── TagImmutable      the tag was made immutable, and this would change it
├── QuotaExceeded     a namespace's limit would be passed
├── ReadOnly          the repository or the whole registry takes no writes now
├── TooMany           the caller must slow down
└── Upstream          something we depend on (engine, Redis, storage, a remote host) did not answer
"""

from collections.abc import Mapping
from types import MappingProxyType

NO_FACTS: Mapping[str, object] = MappingProxyType({})


class DomainError(Exception):
    """A rule of the domain was broken; `detail` is safe to show to the caller.

    `facts`: what an answer tells beside the message, by the names that the surface has for it.
    """

    def __init__(self, detail: str = "", *, facts: Mapping[str, object] = NO_FACTS) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts


class Unauthenticated(DomainError): ...


class Unconfirmed(Unauthenticated): ...


class StaleLogin(DomainError): ...


class Forbidden(DomainError): ...


class NotFound(DomainError): ...


class Invalid(DomainError): ...


class Exceeded(Invalid): ...


class Conflict(DomainError): ...


class TagImmutable(DomainError):
    def __init__(self, tag: str) -> None:
        super().__init__(f"tag {tag} is immutable")


class QuotaExceeded(DomainError):
    """`limit` (models.quota) is the one that would be passed, of the namespace."""

    def __init__(self, detail: str = "", *, namespace_id: int | None = None, limit: object = None) -> None:
        super().__init__(detail)
        self.namespace_id = namespace_id
        self.limit = limit


class ReadOnly(DomainError): ...


class TooMany(DomainError):
    """`retry_after`: seconds until another try may succeed, where known."""

    def __init__(self, detail: str = "", *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Upstream(DomainError): ...
