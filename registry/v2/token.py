"""GET and POST /v2/auth: credentials in, a registry token out (distribution's token authentication specification)."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from models import audit
from models.access import ANONYMOUS, Identity, find_namespace, find_repository, may, may_create_in
from models.authentication import identify_basic
from models.errors import TooMany, Unauthenticated
from models.session import Session
from registry.errors import ScopeInvalid
from registry.names import Malformed, RepositoryName
from registry.refresh import open_credentials, seal_credentials
from registry.repositories import may_create_namespace
from registry.tokens import Grant
from registry.v2.context import challenge, registry
from registry.v2.errors import Challenge

MOST_SCOPES = 50
LONGEST_NAME = 511
"""Of a user or robot; nothing longer is looked up or written down."""
PUSH_ACTIONS = {"push", "delete", "*"}

blueprint = Blueprint("token", __name__)


@blueprint.get("/auth")
def get_token() -> Response:
    """A token for the scopes asked for, as far as the caller may have them; the rest is silently left out (Quay).

    With `offline_token=true` a refresh token comes along.
    """
    scopes = request.args.getlist("scope")
    credentials = request.authorization
    if credentials is not None and credentials.type == "basic":
        username, password = credentials.username or "", credentials.password or ""
        answer = _token(_identify(username, password), scopes)
        return jsonify(answer | _refresh(username, password, request.args.get("offline_token") == "true"))
    if request.headers.get("Authorization"):
        raise Challenge("expected HTTP basic credentials", headers={"WWW-Authenticate": challenge()})
    return jsonify(_token(ANONYMOUS, scopes))


@blueprint.post("/auth")
def post_token() -> Response:
    """The OAuth2 form of the same (RFC 6749): grant_type password, with username and password, or refresh_token.

    With `access_type=offline` a refresh token comes along.
    """
    form = request.form
    grant_type = form.get("grant_type")
    if grant_type == "password":
        username, password = form.get("username", ""), form.get("password", "")
    elif grant_type == "refresh_token":
        username, password = _credentials(form.get("refresh_token", ""))
    else:
        response = jsonify(
            error="unsupported_grant_type", error_description="grant_type: expected password or refresh_token"
        )
        response.status_code = 400
        return response
    answer = _token(_identify(username, password), form.getlist("scope"))
    return jsonify(answer | _refresh(username, password, form.get("access_type") == "offline"))


@blueprint.after_request
def keep_nowhere(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-cache, no-store, must-revalidate"
    return response


def _credentials(refresh_token: str) -> tuple[str, str]:
    try:
        return open_credentials(registry().services.database.vault, refresh_token)
    except Unauthenticated as exc:
        raise Challenge(exc.detail, headers={"WWW-Authenticate": challenge()}) from exc


def _refresh(username: str, password: str, wanted: bool) -> dict[str, str]:
    vault = registry().services.database.vault
    return {"refresh_token": seal_credentials(vault, username, password)} if wanted else {}


def _identify(username: str, password: str) -> Identity:
    services = registry().services
    if len(username) > LONGEST_NAME or "\0" in username:
        raise Challenge("there is no such user", headers={"WWW-Authenticate": challenge()})
    try:
        ip, confirmed = request.remote_addr, services.settings.FEATURE_MAILING
        found = identify_basic(services.database, services.superusers, username, password, ip=ip, confirmed=confirmed)
        return found.at(ip)
    except (Unauthenticated, TooMany) as exc:
        if isinstance(exc, TooMany):
            raise
        _note_failure(username, exc.detail)
        raise Challenge(exc.detail, headers={"WWW-Authenticate": challenge()}) from exc


def _note_failure(username: str, why: str) -> None:
    with registry().services.database.write() as session:
        actor = ANONYMOUS.at(request.remote_addr)
        owner = find_namespace(session, username.partition("+")[0])
        audit.record(
            session, "login_failure", actor=actor, namespace=owner, username=username[:255], message=why, kind="v2auth"
        )


def _token(identity: Identity, scopes: list[str]) -> dict[str, Any]:
    services, tokens = registry().services, registry().tokens
    wanted = [scope for text in scopes for scope in text.split()][:MOST_SCOPES]
    access: dict[str, frozenset[str]] = {}
    denied: dict[str, frozenset[str]] = {}
    if identity.is_anonymous and not services.settings.FEATURE_ANONYMOUS_ACCESS:
        raise Challenge("this registry has no anonymous access", headers={"WWW-Authenticate": challenge()})
    with services.database.read() as session:
        for scope in wanted:
            kind, _, rest = scope.partition(":")
            name, _, listed = rest.rpartition(":")
            if kind == "repository":
                actions = _actions(scope, listed)
                granted = _granted(session, identity, name, actions)
                access[name] = access.get(name, frozenset()) | granted
                denied[name] = (denied.get(name, frozenset()) | _checked(actions)) - access[name]
    token = tokens.issue(Grant(identity, access, catalog="registry:catalog:*" in wanted, denied=denied))
    shown = (f"repository:{name}:{','.join(sorted(actions))}" for name, actions in access.items() if actions)
    return {
        "token": token,
        "access_token": token,
        "expires_in": tokens.lifetime_s,
        "issued_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "scope": " ".join(shown),
    }


def _actions(scope: str, listed: str) -> set[str]:
    """The actions that a scope for a repository names; ScopeInvalid if it has one that there is not."""
    actions = set(listed.split(","))
    if not actions <= {"pull", *PUSH_ACTIONS}:
        raise ScopeInvalid(f"Unable to decode repository and actions: {scope}")
    return actions


def _checked(actions: set[str]) -> frozenset[str]:
    """The same as what requests are checked for: `pull`, `push` or, for everything, both."""
    if "*" in actions:
        return frozenset({"pull", "push"})
    return frozenset({"pull"} & actions | ({"push"} if actions & PUSH_ACTIONS else set()))


def _granted(session: Session, identity: Identity, text: str, actions: set[str]) -> frozenset[str]:
    """The actions of those asked for that the caller may do.

    Who may create the repository may push to it, and be told that there is none.
    """
    try:
        # One part alone names no repository here, but clients ask for such before they hear so.
        name = RepositoryName.parse(text if "/" in text else f"library/{text}")
    except Malformed as exc:
        raise ScopeInvalid(f"Unable to decode repository and actions: {text[:LONGEST_NAME]}") from exc
    if "/" not in text:
        return frozenset()
    repository = find_repository(session, name.namespace, name.name)
    if repository is None:
        owner = find_namespace(session, name.namespace)
        if owner is None:
            allowed = may_create_namespace(session, registry().services.settings, name.namespace, identity)
        else:
            allowed = may_create_in(session, identity, owner)
        return frozenset(actions & {"pull", "push"}) if allowed else frozenset()
    granted = set()
    if "pull" in actions and may(session, identity, repository, "read"):
        granted.add("pull")
    if actions & PUSH_ACTIONS and may(session, identity, repository, "write"):
        granted.add("push")
    if "*" in actions and may(session, identity, repository, "admin"):
        granted.update(("*", "pull"))
    return frozenset(granted)
