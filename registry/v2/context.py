"""What a registry request needs: the open services, the token checker, and what its own token allows."""

from dataclasses import dataclass, replace

from flask import current_app, g, request

from models.access import ANONYMOUS, Identity
from models.errors import Unauthenticated
from models.pulls import PullLog
from registry.errors import NameInvalid
from registry.names import RepositoryName
from registry.services import Services
from registry.tokens import Grant, Tokens
from registry.v2.errors import Challenge, Denied

LONGEST_PROGRAM = 255


@dataclass(frozen=True)
class Registry:
    """What the views share."""

    services: Services
    tokens: Tokens
    pulls: PullLog


def registry() -> Registry:
    found: Registry = current_app.extensions["drydock.registry"]
    return found


def refuse_nul() -> None:
    """Refuse, for every operation at once, a character that no name has and databases do not take."""
    if "\0" in request.path or b"%00" in request.query_string:
        raise NameInvalid("the NUL character is not allowed")


def realm() -> str:
    """Where this client gets its tokens: at the host it already talks to, so that it need not trust another one."""
    settings = registry().services.settings
    scheme = settings.PREFERRED_URL_SCHEME if request.host == settings.SERVER_HOSTNAME else request.scheme
    return f"{scheme}://{request.host}/v2/auth"


def challenge(scope: str | None = None, error: str | None = None) -> str:
    """The WWW-Authenticate header (RFC 6750, distribution token specification)."""
    parts = [f'realm="{realm()}"', f'service="{registry().services.settings.SERVER_HOSTNAME}"']
    if scope:
        parts.append(f'scope="{scope}"')
    if error:
        parts.append(f'error="{error}"')
    return "Bearer " + ",".join(parts)


def grant() -> Grant:
    """What the request's token allows; of a request without one, nothing. Challenge if the token is no good."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return Grant(ANONYMOUS)
    try:
        found = registry().tokens.verify(token.strip())
    except Unauthenticated as exc:
        raise Challenge(exc.detail, headers={"WWW-Authenticate": challenge(error="invalid_token")}) from exc
    g.identity = found.identity.at(request.remote_addr)
    return found


def seen(identity: Identity, ip: str | None, program: str | None) -> Identity:
    """The caller with what the action log tells of one that comes by this protocol: address, name and program."""
    told: list[tuple[str, str | int]] = [*identity.log_detail]
    if identity.account_id is not None:
        told.append(("username", identity.name or ""))
    if identity.kind == "robot":
        told.append(("is_robot", True))
    if program:
        told.append(("user-agent", program[:LONGEST_PROGRAM]))
    return replace(identity, ip=ip, log_detail=tuple(told))


def may_push(name: RepositoryName) -> bool:
    """Whether the request's token allows a push, too, so that the caller may be about to."""
    return grant().allows(str(name), "push")


def authorize(name: RepositoryName, action: str, *, before_push: bool = False) -> Identity:
    """The caller, if its token allows the action (pull or push) on the repository.

    Otherwise a challenge that names the scope to ask for, that of a push if one seems to follow (`before_push`); or
    Denied, if a signed-in caller has asked already.
    """
    held = grant()
    if held.allows(str(name), action):
        return seen(held.identity, request.remote_addr, request.headers.get("User-Agent"))
    if held.was_denied(str(name), action):
        raise Denied(f"{held.identity.name} may not {action} {name}")
    scope = f"repository:{name}:pull" if action == "pull" and not before_push else f"repository:{name}:pull,push"
    raise Challenge(
        "access to the requested resource is not authorized", headers={"WWW-Authenticate": challenge(scope)}
    )
