"""What a field of a body takes: null only where it is said, as in what is told of it."""

from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from api.parsing import NULL, Body, explain


class Inner(Body):
    name: str | None = None


class Example(Body):
    text: str | None = None
    renamed: int | None = Field(None, alias="reNamed")
    inner: Inner | None = None
    end: Annotated[float | None, NULL] = None
    required: float | None


def test_null_is_refused_where_a_field_may_only_be_left_out() -> None:
    for given in ({"text": None}, {"reNamed": None}, {"inner": None}, {"inner": {"name": None}}):
        with pytest.raises(ValidationError) as refused:
            Example.model_validate({"required": None} | given)
        assert explain(refused.value).endswith(": null is not allowed; leave the field out instead")
        assert explain(refused.value).startswith(next(iter(given)))


def test_null_is_taken_where_it_means_something() -> None:
    taken = Example.model_validate({"required": None, "end": None})
    assert taken.model_fields_set == {"required", "end"}


def test_the_description_tells_which_fields_take_null() -> None:
    described = Example.model_json_schema()["properties"]
    null = {"type": "null"}
    takes = {name: null in field.get("anyOf", []) for name, field in described.items()}
    assert takes == {"text": False, "reNamed": False, "inner": False, "end": True, "required": True}
