"""Tags that end by themselves or become immutable, because the image's label says so."""

import json

import pytest
from sqlalchemy import select, update

from models.tables import LogEntry, Tag
from models.tags import now_ms
from registry.labels import EXPIRES_AFTER, IMMUTABLE, LARGEST_CONFIG, lifetime_s
from registry.manifest_format import OCI_INDEX
from tests.unit.registry.conftest import Registry, image, index

HOUR_MS = 3_600_000


def left_ms(registry: Registry, name: str) -> int | None:
    """How long the tag has to live."""
    with registry.services.database.read() as session:
        tag = session.scalars(select(Tag).where(Tag.name == name, Tag.end_ms.is_(None))).one()
        return None if tag.expires_ms is None else tag.expires_ms - now_ms()


def about(ms: int) -> object:
    return pytest.approx(ms, abs=20_000)


def push(registry: Registry, tag: str, config: bytes) -> str:
    layer = registry.push_blob(b"layer")
    answer = registry.put_manifest(tag, image(registry.push_blob(config), len(config), layer, 5))
    assert answer.status_code == 201, answer.text
    return str(answer.headers["Docker-Content-Digest"])


def labelled(value: object) -> bytes:
    return json.dumps({"config": {"Labels": {EXPIRES_AFTER: value, "other": "1"}}}).encode()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("2h", 7200),
        ("1d", 86400),
        ("2w", 1_209_600),
        ("1y", 31_536_000),
        ("999999999y", 3_153_600_000),
        *((text, None) for text in ("", "0s", "-1d", "1.5h", "1 d", "1month", "d", "1D", "٣d", "1d\n")),
    ],
)
def test_a_lifetime_is_a_whole_number_and_a_unit(text: str, seconds: int | None) -> None:
    assert lifetime_s({EXPIRES_AFTER: text}) == seconds


def test_the_label_of_the_config_ends_the_tag(registry: Registry) -> None:
    push(registry, "short", labelled("1h"))
    push(registry, "long", labelled("soon"))
    assert left_ms(registry, "short") == about(HOUR_MS)
    assert left_ms(registry, "long") is None


def test_an_annotation_does_too_and_weighs_more(registry: Registry) -> None:
    registry.push_image("noted", annotations={EXPIRES_AFTER: "2h"})
    config, layer = labelled("1h"), registry.push_blob(b"layer")
    both = image(registry.push_blob(config), len(config), layer, 5, annotations={EXPIRES_AFTER: "3h"})
    assert registry.put_manifest("both", both).status_code == 201
    assert left_ms(registry, "noted") == about(2 * HOUR_MS)
    assert left_ms(registry, "both") == about(3 * HOUR_MS)


@pytest.mark.parametrize(
    "config",
    [b"", b"no json", b"[]", b'{"config": 1}', b'{"config": {"Labels": []}}', labelled(1), b"[" * 100_000],
)
def test_a_config_of_any_kind_is_taken(registry: Registry, config: bytes) -> None:
    push(registry, "odd", config)
    assert left_ms(registry, "odd") is None


def test_a_huge_config_is_not_read(registry: Registry) -> None:
    push(registry, "huge", labelled("1h") + b" " * LARGEST_CONFIG)
    assert left_ms(registry, "huge") is None


def test_a_config_that_storage_has_lost_is_no_reason_to_refuse_the_manifest(registry: Registry) -> None:
    config = labelled("1h")
    document = image(registry.push_blob(config), len(config), registry.push_blob(b"layer"), 5)
    storage = registry.services.storage
    storage.delete([path for path, stat in storage.list("blobs") if stat.size == len(config)])
    assert registry.put_manifest("v1", document).status_code == 201
    assert left_ms(registry, "v1") is None


def test_pushing_again_counts_from_now(registry: Registry) -> None:
    push(registry, "nightly", labelled("1h"))
    with registry.services.database.write() as session:
        session.execute(update(Tag).values(expires_ms=Tag.expires_ms - HOUR_MS // 2))
    push(registry, "nightly", labelled("1h"))
    assert left_ms(registry, "nightly") == about(HOUR_MS)


def test_an_index_lives_as_long_as_its_images_agree(registry: Registry) -> None:
    one, same, other, plain = (
        push(registry, tag, labelled(value)) for tag, value in (("a", "1h"), ("b", "60m"), ("c", "2h"), ("d", ""))
    )
    for name, children in {"agreed": (one, same), "differing": (one, other), "partly": (one, plain)}.items():
        assert registry.put_manifest(name, index(*children), media_type=OCI_INDEX).status_code == 201
    nested = registry.call("HEAD", "acme/app/manifests/agreed").headers["Docker-Content-Digest"]
    assert registry.put_manifest("nested", index(nested, one), media_type=OCI_INDEX).status_code == 201
    own = {**index(one, other), "annotations": {EXPIRES_AFTER: "3h"}}
    assert registry.put_manifest("own", own, media_type=OCI_INDEX).status_code == 201
    assert left_ms(registry, "agreed") == about(HOUR_MS)
    assert left_ms(registry, "nested") == about(HOUR_MS)
    assert left_ms(registry, "own") == about(3 * HOUR_MS)
    assert (left_ms(registry, "differing"), left_ms(registry, "partly")) == (None, None)


def test_what_has_ended_is_not_served_and_the_answer_says_when(registry: Registry) -> None:
    push(registry, "gone", labelled("1h"))
    with registry.services.database.write() as session:
        session.execute(update(Tag).values(expires_ms=now_ms() - 1))
    answer = registry.call("GET", "acme/app/manifests/gone")
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")
    assert int(answer.get_json()["errors"][0]["detail"]["ended_ms"]) <= now_ms()
    assert registry.call("GET", "acme/app/tags/list").get_json()["tags"] == []


def is_immutable(registry: Registry, name: str) -> bool:
    with registry.services.database.read() as session:
        return session.scalars(select(Tag.immutable).where(Tag.name == name, Tag.end_ms.is_(None))).one()


def fixing(value: str, **more: str) -> bytes:
    return json.dumps({"config": {"Labels": {IMMUTABLE: value, **more}}}).encode()


@pytest.mark.parametrize(
    ("value", "immutable"), [("true", True), (" True ", True), ("false", False), ("1", False), ("", False)]
)
def test_a_label_makes_the_tag_immutable(registry: Registry, value: str, *, immutable: bool) -> None:
    push(registry, "v1", fixing(value))
    assert is_immutable(registry, "v1") == immutable


def test_an_immutable_tag_does_not_end_and_takes_no_other_image(registry: Registry) -> None:
    config = fixing("true", **{EXPIRES_AFTER: "1h"})
    push(registry, "v1", config)
    assert left_ms(registry, "v1") is None
    push(registry, "v1", config)  # the same again
    other = image(registry.push_blob(b"{}"), 2, registry.push_blob(b"layer"), 5)
    assert registry.put_manifest("v1", other).status_code == 409
    entries = [(entry.detail["tag"], entry.detail["immutable"]) for entry in logged(registry)]
    assert entries == [("v1", True)]


def test_a_tag_from_before_becomes_immutable_when_it_is_pushed_again(registry: Registry) -> None:
    config = fixing("true", **{EXPIRES_AFTER: "1h"})
    push(registry, "v1", config)
    with registry.services.database.write() as session:
        session.execute(update(Tag).values(immutable=False, expires_ms=now_ms() + HOUR_MS))
    push(registry, "v1", config)
    assert (is_immutable(registry, "v1"), left_ms(registry, "v1")) == (True, None)
    assert len(logged(registry)) == 2


def logged(registry: Registry) -> list[LogEntry]:
    with registry.services.database.read() as session:
        return list(session.scalars(select(LogEntry).where(LogEntry.kind == "change_tag_immutability")))
