"""Where git servers tell of pushes: `POST /webhooks/push/trigger/<uuid>`, with the trigger's write token or signed.

Quay's second form, with the repository in the path, is the same.
"""

from flask import Blueprint, Response, request

from api.context import services
from api.v1.errors import answer_error
from models import inbound, triggers
from models.errors import Forbidden, NotFound, Unauthenticated
from models.inbound import Delivery, Judged
from models.session import Session
from models.tables import Trigger

MAX_PAYLOAD = 5 * 1024 * 1024
"""Bytes; forges send less than this for pushes of thousands of commits."""


def blueprint() -> Blueprint:
    """The surface, for an application whose `extensions["drydock"]` are the services."""
    surface = Blueprint("webhooks", __name__, url_prefix="/webhooks/push")
    surface.register_error_handler(Exception, answer_error)
    surface.add_url_rule("/trigger/<uuid>", view_func=receive, methods=["POST"])
    surface.add_url_rule("/<path:repository>/trigger/<uuid>", view_func=receive, methods=["POST"])
    return surface


def receive(uuid: str, repository: str | None = None) -> Response:
    """Take a delivery in: judged, kept and, if it is a push that counts, queued as a build before the answer."""
    if "\0" in uuid:
        raise NotFound("Not Found")
    with services().database.read() as session:
        _trigger(session, uuid, repository)  # before anybody's bytes are taken in
    request.max_content_length = MAX_PAYLOAD
    body = request.get_data(cache=False)
    headers = {name.lower(): value for name, value in request.headers.items()}
    with services().database.read() as session:
        trigger = _trigger(session, uuid, repository)
        delivery = Delivery(headers, body, request.remote_addr, _has_token(session, trigger))
        verified = inbound.verified_by(session, trigger, delivery)
    if verified is None:
        raise _refusal()
    packed = inbound.pack(body)  # before the transaction that writes, and only for who may send it
    limit = services().settings.DEFAULT_NAMESPACE_MAXIMUM_BUILD_COUNT

    def work(session: Session) -> Judged:
        trigger = _trigger(session, uuid, repository)
        return inbound.receive(session, trigger, delivery, verified, packed, limit=limit)

    judged = services().database.apply(work)
    if judged.problem:
        raise judged.problem  # after the verdict was kept
    return Response("Okay", mimetype="text/plain", headers={"X-Drydock-Verdict": judged.verdict})


def _trigger(session: Session, uuid: str, repository: str | None) -> Trigger:
    trigger = triggers.find_trigger(session, uuid)
    if trigger is None or (repository is not None and trigger.repository.path != repository):
        raise NotFound("Not Found")
    return trigger


def _has_token(session: Session, trigger: Trigger) -> bool:
    given = request.authorization
    if given is None or given.type != "basic" or given.username != "$token":
        return False
    return triggers.holds_write_token(session, trigger, given.password or "")


def _refusal() -> Forbidden | Unauthenticated:
    if request.authorization is None:
        return Unauthenticated("The delivery has neither the write token of the trigger's URL nor its signature")
    return Forbidden("The write token or the signature is not the trigger's")
