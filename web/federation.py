"""Where a program brings another service's token and gets one of ours, which is a robot: Quay's robot federation."""

import base64
import json
import logging
from typing import Any

from flask import Blueprint, Response, jsonify, request

from buildworker.issuers import LONGEST_TOKEN, Claims, Issuers
from models.errors import DomainError, Invalid, Unauthenticated, Upstream
from models.federation import find_rule, issue_robot_token
from models.tables import RobotFederation
from registry.services import Services

log = logging.getLogger(__name__)

PATH = "/oauth2/federation/robot/token"
LONGEST_NAME = 511
_NO_RULE = "The token does not match the robot: no rule of the robot's federation names its issuer and subject"


def blueprint(services: Services, issuers: Issuers) -> Blueprint:
    """`GET PATH` with HTTP basic credentials: the robot's name, and an OpenID Connect token as its password."""
    endpoint = Blueprint("federation", __name__)

    @endpoint.get(PATH)
    def exchange() -> Response:
        given = request.authorization
        if given is None or given.type != "basic":
            raise Unauthenticated("missing auth")
        token = _exchange(services, issuers, given.username or "", given.password or "")
        return _answer(token=token)

    @endpoint.errorhandler(DomainError)
    def refuse(error: DomainError) -> Response:
        # Which issuers cannot be asked, and why, is for the operators to know.
        response = _answer(error=error.detail)
        response.status_code = 503 if isinstance(error, Upstream) else 401
        if response.status_code == 401:
            response.headers["WWW-Authenticate"] = f'Basic realm="{services.settings.SERVER_HOSTNAME}"'
        return response

    return endpoint


def _exchange(services: Services, issuers: Issuers, name: str, token: str) -> str:
    """A token of ours for the robot of that name, whom the token's issuer vouches for. Unauthenticated, Upstream."""
    issuer, subject = _claimed(token)
    # Only issuers that an administrator has named are asked.
    with services.database.read() as session:
        rule = find_rule(session, name, issuer, subject) if _is_name(name) else None
    if rule is None:
        raise Unauthenticated(_NO_RULE)
    claims = _verify(issuers, rule, token)
    _check_audience(claims, rule.audiences or services.settings.FEDERATED_ROBOT_AUDIENCES)
    with services.database.write() as session:
        rule = find_rule(session, name, str(claims["iss"]), str(claims["sub"]))
        if rule is None:  # gone meanwhile
            raise Unauthenticated(_NO_RULE)
        actor = services.superusers.identify(rule.robot).at(request.remote_addr)
        return issue_robot_token(session, rule, actor=actor)


def _verify(issuers: Issuers, rule: RobotFederation, token: str) -> Claims:
    try:
        return issuers.verify(rule.issuer, token, audience=None)
    except (Upstream, Invalid) as exc:
        log.warning("the issuer %s of the robot %s cannot be asked: %s", rule.issuer, rule.robot.name, exc.detail)
        raise Upstream("The token's issuer cannot be asked now; try again in a moment") from exc


def _check_audience(claims: Claims, wanted: Any) -> None:
    """Refuse (Unauthenticated) a token that was made for somebody else, where it matters for whom."""
    meant = claims.get("aud")
    audiences = meant if isinstance(meant, list) else [meant]
    if wanted and not any(audience in wanted for audience in audiences):
        raise Unauthenticated("The token was made for another audience")


def _claimed(token: str) -> tuple[str, str]:
    """Whose token it says it is, and about whom: not to be believed yet. Unauthenticated if it says nothing such."""
    payload = token.split(".")[1] if token.count(".") == 2 and len(token) <= LONGEST_TOKEN else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError as exc:
        raise Unauthenticated("The password has to be a JSON web token of an OpenID Connect issuer") from exc
    found = [claims.get(name) if isinstance(claims, dict) else None for name in ("iss", "sub")]
    if not all(isinstance(value, str) and value.isprintable() for value in found):
        raise Unauthenticated("The token does not say who made it and whom it is about")
    return str(found[0]), str(found[1])


def _is_name(name: str) -> bool:
    return len(name) <= LONGEST_NAME and name.isprintable()


def _answer(**fields: str) -> Response:
    response = jsonify(fields)
    response.headers["Cache-Control"] = "no-store"
    return response
