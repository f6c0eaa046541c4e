"""The Swagger 2.0 description of the operations, the page that shows it, and flask-restx made to use our errors.

The document is made from the same declarations that are enforced, so it cannot tell anything else.
"""

import inspect
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flask_restx
from flask import Blueprint, Response, request, url_for
from markupsafe import escape
from pydantic import BaseModel, TypeAdapter
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from api.endpoint import Operation, Section

Schema = dict[str, Any]
_ERRORS = {
    "400": "The request is not valid, or cannot be carried out as things are",
    "401": "The operation needs a valid access token",
    "403": "The caller may not do this",
    "404": "There is no such thing",
    "409": "Something that may not change stands in the way, such as an immutable tag",
    "413": "The body is too large",
    "415": "The body must be JSON",
    "429": "The caller has to wait for as long as Retry-After says",
    "503": "Something that this service depends on does not answer, or takes no changes now",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="stylesheet" href="{assets}swagger-ui.css">
<link rel="icon" type="image/png" href="{assets}favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{assets}swagger-ui-bundle.js"></script>
<script nonce="{nonce}">
fetch("{document}").then(function (answer) {{ return answer.json(); }}).then(function (spec) {{
delete spec.host;  // call the server this page came from, by whatever name it was reached
delete spec.schemes;
SwaggerUIBundle({{
  spec: spec,
  dom_id: "#swagger-ui",
  validatorUrl: null,
  docExpansion: "none",
  tagsSorter: "alpha",
  requestInterceptor: function (request) {{
    request.headers["X-Requested-With"] = "XMLHttpRequest";
    var given = request.headers["Authorization"];
    if (given && !/^bearer /i.test(given)) request.headers["Authorization"] = "Bearer " + given.trim();
    return request;
  }}
}});
}});
</script>
</body>
</html>
"""


class SwaggerApi(flask_restx.Api):
    """A flask-restx Api below one URL prefix. All errors below it are answered by `on_error`, unknown paths too."""

    def __init__(self, blueprint: Blueprint, *, title: str, document: str, on_error: Callable[[Exception], Response]):
        super().__init__(title=title)
        self._document = document
        self._on_error = on_error
        self._below = f"{blueprint.url_prefix}/"
        self.init_app(blueprint, add_specs=False)

    def _has_fr_route(self) -> bool:
        return request.path.startswith(self._below)

    def handle_error(self, e: Exception) -> BaseResponse:
        if isinstance(e, HTTPException) and e.code is not None and e.code < 400:
            return e.get_response(request.environ)  # a redirect to the same with a slash
        return self._on_error(e)

    def render_root(self) -> Response:
        """The page that shows the operations and can call them; it loads nothing from other hosts."""
        nonce = secrets.token_urlsafe(16)
        assets = url_for("restx_doc.static", filename="")
        page = _PAGE.format(title=escape(self.title), assets=assets, document=self._document, nonce=nonce)
        policy = (
            "default-src 'none'; connect-src 'self'; img-src 'self' data:; font-src 'self'; "
            f"style-src 'self' 'unsafe-inline'; script-src 'self' 'nonce-{nonce}'; "
            "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
        return Response(page, mimetype="text/html", headers={"Content-Security-Policy": policy})


def describe(
    sections: Sequence[Section],
    *,
    prefix: str,
    parameters: Mapping[str, str],
    info: Schema,
    problem: type[BaseModel],
) -> Schema:
    """The Swagger 2.0 document of the operations.

    `parameters`: what each URL parameter means; `info`: the members of the document that no operation decides;
    `problem`: what every error answer looks like.
    """
    definitions: Schema = {}
    errors = _error_answers(_schema(problem, definitions, mode="serialization"))
    paths: dict[str, Schema] = {}
    for section in sections:
        for verb, url, op in section.operations:
            path = prefix + re.sub(r"<(?:[^:<>]+:)?(\w+)>", r"{\1}", url)
            entry = paths.setdefault(
                path, {**_whose(op, path, section), "parameters": _path_parameters(url, parameters)}
            )
            described = _operation(op, section.name, definitions)
            described["responses"] |= errors
            entry[verb] = described
    return {
        "swagger": "2.0",
        **info,
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "tags": [{"name": name, "description": text} for name, text in _tags(sections).items()],
        "paths": paths,
        "definitions": definitions,
    }


def _whose(op: Operation, path: str, section: Section) -> Schema:
    """What Quay tells of a path besides: programs that are made from its document look there for names."""
    resource = op.method.__qualname__.rpartition(".")[0]
    return {"x-name": f"{op.method.__module__}.{resource}", "x-path": path, "x-tag": section.name}


def _tags(sections: Sequence[Section]) -> dict[str, str | None]:
    """Each tag once, although several files may share it: with the description of the first."""
    return {section.name: section.description for section in reversed(sections)}


def _operation(op: Operation, tag: str, definitions: Schema) -> Schema:
    description = inspect.getdoc(op.method) or ""
    summary = description.partition("\n\n")[0]
    success: Schema = {"description": "Success"}
    if op.view is not None:
        success["schema"] = _schema(op.view, definitions, mode="serialization")
    described: Schema = {
        "operationId": op.name,
        "tags": [tag],
        "summary": " ".join(summary.split()),
        "description": description,
        "parameters": [*_query_parameters(op), *_body_parameter(op, definitions)],
        "responses": {str(op.status): success},
        # Quay's clients read the scope out of the first; both are the same token.
        "security": [{"oauth2_implicit": [op.allow.scope]}, {"bearer": []}] if op.allow.scope else [],
    }
    if op.allow.waived:
        described["security"].append({})  # for what is public, nothing is needed
    if op.produces:
        described["produces"] = [op.produces]
    if op.allow.scope:
        described["x-required-scope"] = op.allow.scope
    return described | {"x-allowed": inspect.getdoc(op.allow.check)}


def _error_answers(schema: Schema) -> Schema:
    return {code: {"description": text, "schema": schema} for code, text in _ERRORS.items()}


def _path_parameters(url: str, meanings: Mapping[str, str]) -> list[Schema]:
    names = re.findall(r"<(?:[^:<>]+:)?(\w+)>", url)
    return [
        {"name": name, "in": "path", "required": True, "type": "string", "description": meanings[name]}
        for name in names
    ]


def _query_parameters(op: Operation) -> list[Schema]:
    if op.query is None:
        return []
    schema = _swagger2(op.query.model_json_schema())
    required = set(schema.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required}
        | {key: value for key, value in field.items() if key not in {"title", "x-nullable"}}
        for name, field in schema["properties"].items()
    ]


def _body_parameter(op: Operation, definitions: Schema) -> list[Schema]:
    if op.body is None:
        return []
    schema = _schema(op.body, definitions, mode="validation")
    about = {"description": "What is sent, as JSON", "required": not op.body_optional}
    return [{"name": "body", "in": "body", **about, "schema": schema}]


def _schema(model: Any, definitions: Schema, *, mode: Any) -> Schema:
    schema = TypeAdapter(model).json_schema(ref_template="#/definitions/{model}", mode=mode)
    nested = schema.pop("$defs", {})
    if isinstance(model, type) and issubclass(model, BaseModel):
        nested[model.__name__] = schema
        schema = {"$ref": f"#/definitions/{model.__name__}"}
    for name, definition in nested.items():
        known = definitions.setdefault(name, _swagger2(definition))
        if known != _swagger2(definition):
            raise TypeError(f"two different models are called {name}")
    return _swagger2(schema)  # type: ignore[no-any-return]


def _swagger2(node: Any) -> Any:
    """A JSON schema as Swagger 2.0 knows them: without null, anyOf and const."""
    if isinstance(node, list):
        return [_swagger2(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _swagger2(value) for key, value in node.items()}
    options = node.pop("anyOf", None)
    if options is not None:
        node = _without_null(options) | node
    if node.get("default", ...) is None:
        del node["default"]
    if "const" in node:
        node["enum"] = [node.pop("const")]
    for unknown in ("propertyNames", "writeOnly"):
        node.pop(unknown, None)
    if isinstance(node.get("exclusiveMinimum"), int):
        node["minimum"], node["exclusiveMinimum"] = node["exclusiveMinimum"], True
    return node


def _without_null(options: list[Schema]) -> Schema:
    real = [option for option in options if option.get("type") != "null"]
    nullable = {"x-nullable": True} if len(real) < len(options) else {}
    if len(real) != 1:
        return nullable
    return nullable | ({"allOf": real} if "$ref" in real[0] else real[0])
