"""From what a client sent to typed objects, with messages that name the field and what was expected there."""

import json
import math
from collections.abc import Collection
from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from werkzeug.exceptions import UnsupportedMediaType

from models.errors import NO_FACTS, Invalid

MAX_BODY = 1024 * 1024
"""Bytes of JSON that an operation reads at most."""
_NO_VALUES = frozenset({"", "null"})
_SHOWN_ERRORS = 5
_SHOWN_CHARACTERS = 60
_SECRET_FIELDS = ("password", "token", "secret")


def _refuse_unstorable(value: Any) -> None:
    # PostgreSQL cannot store them, and nothing has a use for them.
    if isinstance(value, str) and "\0" in value:
        raise ValueError("the NUL character is not allowed")
    if isinstance(value, float) and not math.isfinite(value):  # JSON has none, but its readers take NaN and 1e999
        raise ValueError("NaN and infinite numbers are not allowed")
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_unstorable(key)
            _refuse_unstorable(item)
    if isinstance(value, list):
        for item in value:
            _refuse_unstorable(item)


def _without_null(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Let the description of a body tell what its fields take."""
    for name, field in model.model_fields.items():
        described = schema.get("properties", {}).get(field.alias or name, {})
        if "anyOf" in described and not _takes_null(field):
            described["anyOf"] = [option for option in described["anyOf"] if option != {"type": "null"}]


def _takes_null(field: FieldInfo) -> bool:
    return field.default is not None or NULL in field.metadata


class _Null:
    """Marks a field of a body that may be null: `Annotated[int | None, NULL]`."""


NULL = _Null()


class Body(BaseModel):
    """A request body. Values are not converted from one type to another.

    Unknown fields are refused, but for those of which `parse_body` tells. A field that may be left out is not null on
    that account, as in Quay; one that may be is marked by `NULL`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, json_schema_extra=_without_null)

    @model_validator(mode="before")
    @classmethod
    def _check_all(cls, data: Any) -> Any:
        _refuse_unstorable(data)
        return data

    @field_validator("*", mode="before")
    @classmethod
    def _check_null(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and not _takes_null(cls.model_fields[str(info.field_name)]):
            raise ValueError("null is not allowed; leave the field out instead")
        return value


class Query(BaseModel):
    """The query string; unknown parameters are ignored, as Quay does, and an empty one is not given, or false."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _read_empty(cls, given: dict[str, str]) -> dict[str, str]:
        if _NO_VALUES.isdisjoint(given.values()):
            return given
        read = dict(given)
        for name, field in cls.model_fields.items():
            key = field.alias or name
            value = read.get(key)
            if value in _NO_VALUES and field.annotation in {bool, bool | None}:
                read[key] = "false"
            elif value == "" and field.default is None and field.annotation != int | None:
                del read[key]
        return read

    @property
    def is_quick(self) -> bool:
        """Whether a hot operation has so little to do for it that all others may wait."""
        return True


Parsed = TypeVar("Parsed", bound=BaseModel)


def read_body() -> bytes:
    """What the request carries, MAX_BODY bytes at most (werkzeug's RequestEntityTooLarge)."""
    request.max_content_length = MAX_BODY
    return request.get_data(cache=False)


def parse_body(model: type[Parsed], data: bytes, *, optional: bool, shown: Collection[str]) -> Parsed | None:
    """The body as `model`; None if there is none and it is `optional`. UnsupportedMediaType, Invalid.

    `shown`: fields that clients may send back as they were shown them, without effect.
    """
    if optional and not data:
        return None
    if not request.is_json:
        raise UnsupportedMediaType("The body must be JSON, sent with Content-Type: application/json")
    try:
        return model.model_validate_json(data)
    except ValidationError as exc:
        sent_back = {str(name) for name in _unknown(exc)} & set(shown)
        if not sent_back:
            raise Invalid(explain(exc)) from exc
    known = {name: value for name, value in json.loads(data).items() if name not in sent_back}
    return parse_body(model, json.dumps(known).encode(), optional=False, shown=())


def _unknown(error: ValidationError) -> list[int | str]:
    """The unknown fields, but for those of objects in the body."""
    found = error.errors(include_url=False)
    return [detail["loc"][0] for detail in found if detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1]


def parse_query(model: type[Parsed], given: dict[str, str]) -> Parsed:
    """The query string's parameters as `model`; Invalid."""
    try:
        _refuse_unstorable(given)
        return model.model_validate(given)
    except ValidationError as exc:
        found = exc.errors(include_url=False)
        by_name = {str(detail["loc"][0]): _finding(detail) for detail in found if detail["loc"]}
        raise Invalid(explain(exc), facts={"message": by_name} if by_name else NO_FACTS) from exc
    except ValueError as exc:
        raise Invalid(f"query string: {exc}") from exc


def check_path(args: dict[str, Any]) -> None:
    """Refuse names in the URL that no name can be (Invalid)."""
    for name, value in args.items():
        if isinstance(value, str) and "\0" in value:
            raise Invalid(f"{name}: the NUL character is not allowed")


def explain(error: ValidationError) -> str:
    """The first few of pydantic's findings, as `field: expected …, got …`."""
    found = error.errors(include_url=False)
    told = [_finding(detail) for detail in found[:_SHOWN_ERRORS]]
    if len(found) > _SHOWN_ERRORS:
        told.append(f"and {len(found) - _SHOWN_ERRORS} more")
    return "; ".join(told)


def _finding(detail: ErrorDetails) -> str:
    kind = detail["type"]
    where = ".".join(map(str, detail["loc"])) or "body"
    context = detail.get("ctx", {})
    if kind == "json_invalid":
        return f"The body is not valid JSON: {context.get('error', detail['msg'])}"
    if kind == "missing":
        return f"{where}: this field is required"
    if kind == "extra_forbidden":
        return f"{where}: there is no such field"
    if kind in {"value_error", "assertion_error"}:
        return f"{where}: {context.get('error', detail['msg'])}"
    expected = _EXPECTED.get(kind)
    if expected is None:
        return f"{where}: {detail['msg']}"
    return f"{where}: expected {expected.format(**context)}{_got(where, detail['input'])}"


def _got(where: str, value: Any) -> str:
    if any(word in where.lower() for word in _SECRET_FIELDS):
        return ""
    if isinstance(value, dict | list):
        return ", got an object" if isinstance(value, dict) else ", got a list"
    if value is None or isinstance(value, bool):
        return f", got {'null' if value is None else str(value).lower()}"
    shown = repr(value)
    return f", got {shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + '…'}"


_EXPECTED = {
    "literal_error": "one of {expected}",
    "enum": "one of {expected}",
    "string_type": "a string",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "string_pattern_mismatch": "text that matches {pattern}",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "too_long": "at most {max_length} items",
    "too_short": "at least {min_length} items",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
