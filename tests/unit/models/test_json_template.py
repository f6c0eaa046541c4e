"""Templates that webhooks are filled from."""

import json
from typing import Any

import pytest

from models.errors import Invalid
from models.json_template import JsonTemplate

DATA = {
    "name": "app",
    "updated_tags": ["latest", "1.0"],
    "one": ["only"],
    "count": 3,
    "nothing": None,
    "deep": {"list": [{"a": 1}, {"a": 2}], "odd key": True, "plain-key": "x"},
}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ('"${name}"', "app"),
        ('"${$.name}"', "app"),
        ('"${ count }"', 3),
        ('"${missing}"', None),
        ('"${updated_tags}"', ["latest", "1.0"]),
        ('"${updated_tags[0]}"', "latest"),
        ('"${updated_tags[-1]}"', "1.0"),
        ('"${updated_tags[7]}"', None),
        ('"${deep.list[*].a}"', [1, 2]),
        ('"${deep[\'odd key\']}"', True),
        ('"${deep.plain-key}"', "x"),
        ('"${name.inner}"', None),
        ('"tags ${updated_tags} of ${name}: ${count}, ${missing}, ${nothing}, ${one}"',
         "tags latest,1.0 of app: 3, (none), (none), only"),
        ('{"${name}": [1, {"x": "${count}"}, null]}', {"app": [1, {"x": 3}, None]}),
        ('"$name {name} $${name}"', "$name {name} $app"),
    ],
)  # fmt: skip
def test_paths_are_replaced_by_what_is_there(template: str, filled: Any) -> None:
    assert JsonTemplate.parse(template, subject="template").fill(DATA) == filled


def test_everything_a_thousand_times_is_not_made() -> None:
    template = JsonTemplate.parse(json.dumps(["${$}"] * 1000), subject="template")
    assert len(template.fill(DATA)) == 1000
    with pytest.raises(Invalid, match="might have more than"):
        template.fill({"message": "x" * 20_000})


@pytest.mark.parametrize("template", ["", "{", '"${}"', '"${a b}"', '"${a[}"', '"${a[x]}"', "[" * 100_000, '"${..}"'])
def test_what_is_no_template_is_told(template: str) -> None:
    with pytest.raises(Invalid, match=r"^template: "):
        JsonTemplate.parse(template, subject="template")
