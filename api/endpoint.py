"""How a REST operation is declared.

`@operation` reads the method's signature (`body`, `query`, return type) and docstring, so that routing, authorization,
validation, serialization and Swagger have one source. A request is: identify, authorize, parse, call, commit, respond.
"""

import re
import types
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import flask_restx
from flask import Response, g, request
from pydantic import BaseModel, ConfigDict, TypeAdapter
from sqlalchemy.exc import IntegrityError, InvalidRequestError, OperationalError, SQLAlchemyError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from api.context import identify, limit_rate, refuse_page_visits, services
from api.parsing import NULL, Body, Query, check_path, parse_body, parse_query, read_body
from api.rules import Rule
from config.settings import Settings
from models.access import Identity
from models.dialect import is_full
from models.errors import Conflict, Upstream
from models.session import Session
from models.stamps import access_stamp
from models.tables import Account
from registry.services import Services

__all__ = [
    "NULL",
    "Answer",
    "Body",
    "Operation",
    "Query",
    "Ready",
    "Resource",
    "Section",
    "View",
    "joined",
    "listed",
    "operation",
    "written",
]

VERBS = ("get", "post", "put", "patch", "delete")
_COLLISIONS = frozenset({"40P01", "40001"})
"""PostgreSQL's codes for a deadlock and for a transaction that must be repeated."""
R = TypeVar("R", bound="type[Resource]")
T = TypeVar("T")
V = TypeVar("V")


class View(BaseModel):
    """What the caller sees, built inside the transaction."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)


@dataclass(frozen=True)
class Answer(Generic[V]):
    """A view with headers, for operations that have some to add, such as Location."""

    view: V
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ready(Generic[V]):
    """The JSON of a view that was written before, by `written`."""

    content: bytes


def written(view: View) -> bytes:
    """The view as JSON."""
    return view.model_dump_json(by_alias=True).encode()


def joined(one: bytes, other: bytes) -> bytes:
    """Two JSON objects with something in each as one."""
    return b"%s,%s" % (one[:-1], other[1:])


def listed(items: Iterable[bytes]) -> bytes:
    """A JSON list."""
    return b"[%s]" % b",".join(items)


@dataclass(frozen=True)
class Operation:
    """One method of a resource, as declared. `view` is None where the answer has no body."""

    name: str
    allow: Rule
    method: Callable[..., Any]
    body: type[BaseModel] | None
    body_optional: bool
    query: type[Query] | None
    view: Any
    status: int
    for_pages: bool
    waits: bool
    hot: bool
    produces: str | None
    shown: frozenset[str] = frozenset()
    """The fields of what the operations at the same URL answer."""

    def expects(self, url: str) -> set[str]:
        """The parameters that the method must declare when served at `url`."""
        given = {self.allow.gives} if self.allow.gives else set()
        body, query = {"body"} if self.body else set(), {"query"} if self.query else set()
        return url_parameters(url) - set(self.allow.takes) | given | body | query

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.view)


def operation(
    name: str,
    *,
    allow: Rule,
    status: int | None = None,
    for_pages: bool = False,
    waits: bool = False,
    hot: bool = False,
    produces: str | None = None,
) -> Callable[[Callable[..., Any]], Any]:
    """Declare the method's public name (Quay's operationId) and who may call it.

    `status` of success; by default 200, or 204 for `-> None`. `for_pages`: a browser may load it without
    X-Requested-With. `waits`: the method waits for something else than the database, a password's hash or another
    server: it is called outside of any transaction and has no `session`; its target was loaded in one that has ended.
    `hot`: a read that is asked for so much that `api.hot` answers it; what it needs it gets by `Session.ask` alone.
    `produces`: the media type of a method that makes its Response itself, whose body is read after the transaction.
    """

    def declare(method: Callable[..., Any]) -> Operation:
        hints = get_type_hints(method)
        view = hints["return"]
        if get_origin(view) in {Answer, Ready}:
            (view,) = get_args(view)
        view = None if view in (type(None), Response) else view
        body, optional = _without_none(hints.get("body"))
        nothing = view is None and hints["return"] is not Response
        code = status or (204 if nothing else 200)
        query = hints.get("query")
        return Operation(name, allow, method, body, optional, query, view, code, for_pages, waits, hot, produces)

    return declare


class Resource(flask_restx.Resource):
    """The operations at one URL, for one request: its caller, its transaction, and the services it stands on."""

    caller: Identity
    session: Session
    services: Services

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction for an operation that waits: committed when the block ends, and its `session` until then."""
        with self.services.database.write() as session:
            self.session = session
            yield session

    @property
    def settings(self) -> Settings:
        return self.services.settings

    def remembered(self, namespace: Account, what: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """What `make` made of the rights in the namespace, unless they have changed since.

        Only for what is made of that which changes an AccessStamp, and of nothing else: not of who asks either.
        """
        stamp = access_stamp(self.session, namespace)
        return self.services.remembered.find((namespace.id, what), stamp, make, size)


class Section(flask_restx.Namespace):
    """The operations on one noun: one file, one Swagger tag. They exist where the settings `needs` are all true."""

    def __init__(self, name: str, description: str | None, *, needs: Sequence[str] = ()) -> None:
        super().__init__(name, description=description, path="/")
        self.needs = needs
        self.operations: list[tuple[str, str, Operation]] = []
        """(verb, URL, operation)."""

    def at(self, url: str) -> Callable[[R], R]:
        """Serve the class at `url`, refusing at import what is not fully declared (TypeError)."""

        def register(resource: R) -> R:
            declared = {verb: op for verb in VERBS if (op := resource.__dict__.get(verb)) is not None}
            for verb, op in declared.items():
                _check_declared(op, url, f"{resource.__module__}.{resource.__qualname__}.{verb}")
            shown = frozenset(name for op in declared.values() for name in _fields(op.view))
            for verb, op in declared.items():
                known = replace(op, shown=shown)
                setattr(resource, verb, _bind(known))
                self.operations.append((verb, url, known))
            self.add_resource(resource, url)
            return resource

        return register


def url_parameters(url: str) -> set[str]:
    """The names of a URL rule's parameters."""
    return set(re.findall(r"<(?:[^:<>]+:)?(\w+)>", url))


def _fields(view: Any) -> Iterator[str]:
    """The names that the fields of a view have in JSON, and those of what it lists."""
    if get_origin(view) in {Union, types.UnionType, list}:
        for each in get_args(view):
            yield from _fields(each)
    elif isinstance(view, type) and issubclass(view, View):
        for name, field_ in view.model_fields.items():
            yield field_.alias or name
            if get_origin(field_.annotation) is list:
                yield from _fields(field_.annotation)


def _check_declared(op: object, url: str, where: str) -> None:
    if not isinstance(op, Operation):
        raise TypeError(f"{where} is not declared with @operation")
    takes = set(get_type_hints(op.method)) - {"return"}
    if takes != op.expects(url):
        raise TypeError(f"{where} takes {sorted(takes)}, but {url} gives {sorted(op.expects(url))}")
    if not set(op.allow.takes) <= url_parameters(url):
        raise TypeError(f"{where}: the rule {op.allow.name} needs {op.allow.takes}, but {url} has not all of them")
    if not op.method.__doc__:
        raise TypeError(f"{where} has no docstring to describe it")


def _bind(op: Operation) -> Callable[..., Response]:
    def handle(self: Resource, **args: Any) -> Response:
        try:
            return _serve(op, self, args)
        except SQLAlchemyError as exc:
            if _collided(exc):
                raise Conflict("Somebody changed the same thing at the same moment; look again and repeat") from exc
            if isinstance(exc, OperationalError):
                full = is_full(exc)
                said = (
                    "The disk of the database is full"
                    if full
                    else "The database does not answer; try again in a moment"
                )
                raise Upstream(said) from exc
            raise

    handle.__doc__ = op.method.__doc__
    handle.operation = op  # type: ignore[attr-defined] # where `api.hot` finds it
    return handle


def _collided(error: SQLAlchemyError) -> bool:
    """Whether another transaction made the same row, removed it meanwhile, or stood in the way of this one."""
    if isinstance(error, OperationalError):
        return getattr(error.orig, "sqlstate", None) in _COLLISIONS
    if type(error) is InvalidRequestError:  # what refreshing a row that is gone raises, and what our own mistakes do
        return str(error).startswith("Could not refresh instance")
    return isinstance(error, (IntegrityError, StaleDataError, ObjectDeletedError))


def _serve(op: Operation, resource: Resource, args: dict[str, Any]) -> Response:
    if not op.for_pages:
        refuse_page_visits()
    check_path(args)
    resource.services = services()
    resource.caller = g.caller = caller = identify()
    limit_rate(caller)
    if caller.is_anonymous and not op.allow.everywhere and not resource.settings.FEATURE_ANONYMOUS_ACCESS:
        raise caller.refuse()
    op.allow.screen(caller)  # here too, so that nobody without any right makes writers wait
    # Before the transaction begins: a client that sends slowly must not hold it open.
    data = read_body() if op.body else b""
    if op.waits:
        with resource.services.database.read() as session:
            op.allow.admit(session, caller, args)
        return _carry_out(op, resource, args, data)
    with _transaction() as session:
        resource.session = session
        op.allow.admit(session, caller, args)
        return _carry_out(op, resource, args, data)


def _transaction() -> AbstractContextManager[Session]:
    database = services().database
    return database.read() if request.method in {"GET", "HEAD"} else database.write()


def _carry_out(op: Operation, resource: Resource, args: dict[str, Any], data: bytes) -> Response:
    if op.body:
        args["body"] = parse_body(op.body, data, optional=op.body_optional, shown=op.shown)
    if op.query:
        args["query"] = parse_query(op.query, request.args.to_dict())
    answer = op.method(resource, **args)
    if isinstance(answer, Response):
        return answer
    headers: Mapping[str, str] = {}
    if isinstance(answer, Answer):
        answer, headers = answer.view, answer.headers
    if op.view is None:
        nothing = Response(status=op.status, headers=headers)
        del nothing.headers["Content-Type"]
        return nothing
    content = answer.content if isinstance(answer, Ready) else op.adapter.dump_json(answer, by_alias=True)
    return Response(content, status=op.status, headers=headers, mimetype="application/json")


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in {Union, types.UnionType}:
        (only,) = [option for option in get_args(hint) if option is not type(None)]
        return only, True
    return hint, False
