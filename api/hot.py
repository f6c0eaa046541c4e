"""The reads that programs ask for most, answered without the web framework: operations that are declared `hot`.

Who calls, what that lets them see and what they are shown is found by the same rules and the same methods as ever, but
on a Reader. Only a bearer token's plain GETs that succeed are answered here: whatever is unusual is left to the views,
which find the same error and tell it. Nothing is remembered from one request to the next, so a token that is revoked or
a permission that is taken away counts from the next request on. Not thread-safe, like the Reader.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from api.context import bearer_of
from api.endpoint import Operation, Resource
from api.parsing import parse_query
from models.authentication import identify_noted
from models.errors import DomainError
from models.reader import Reader
from models.session import Session
from registry.services import Services
from registry.v2.hot import HotAnswer, HotRequest

_PLAIN = re.compile(r"[A-Za-z0-9._:/=&+-]*")


class HotReads:
    """Answers what it can; None means that the views shall answer. `headers`: those that every answer has."""

    def __init__(self, app: Flask, headers: Mapping[str, str]) -> None:
        self._services: Services = app.extensions["drydock"]
        self._views = app.view_functions
        self._urls = app.url_map.bind("", url_scheme="http")
        self._reader = Reader(self._services.database)
        self._headers = {"Content-Type": "application/json", **headers}
        self._off = self._services.settings.FEATURE_RATE_LIMITS  # calls are counted in Redis, which is to be waited for

    def answer(self, request: HotRequest) -> HotAnswer | None:
        """The answer to a request that can be served at once."""
        token = bearer_of(request.headers.get("authorization", ""))
        plain = request.method == "GET" and not request.length and _PLAIN.fullmatch(request.query)
        if self._off or token is None or not plain:
            return None
        try:
            return self._serve(request, token)
        except (DomainError, HTTPException, RequestRedirect):
            return None  # the views find the same error and tell the client

    def close(self) -> None:
        self._reader.close()

    def _serve(self, request: HotRequest, token: str) -> HotAnswer | None:
        endpoint, args = self._urls.match(request.path, "GET")
        resource_class = getattr(self._views[endpoint], "view_class", None)
        op: Operation | None = getattr(getattr(resource_class, "get", None), "operation", None)
        if resource_class is None or op is None or not op.hot:
            return None
        with self._services.database.read(self._reader) as session:
            caller = identify_noted(session, self._services.superusers, token)
            if caller is None:
                return None
            resource: Resource = resource_class()
            resource.caller, resource.session, resource.services = caller.at(request.ip), session, self._services
            content = _content(op, resource, session, dict(args), request.query)
        return None if content is None else HotAnswer(self._headers, content, len(content), caller.name)


def _content(op: Operation, resource: Resource, session: Session, args: dict[str, Any], query: str) -> bytes | None:
    if op.query:
        # Of a parameter that comes twice the first counts, as in the views.
        parsed = parse_query(op.query, dict(reversed(parse_qsl(query, keep_blank_values=True))))
        if not parsed.is_quick:
            return None
        args["query"] = parsed
    op.allow.admit(session, resource.caller, args)
    return op.adapter.dump_json(op.method(resource, **args), by_alias=True)
