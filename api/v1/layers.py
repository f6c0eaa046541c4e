"""What an image's config tells about each of its layers."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from api.endpoint import View
from api.v1.views import Moment

EMPTY_LAYER = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"
EMPTY_LAYER_SIZE = 32
"""The gzipped empty layer that stands, as in Quay, for a step that changed no file."""
MOST_STEPS = 1000
"""Steps of a history that are shown; no image that can be run has so many layers."""


class LayerView(View):
    """A step of the image's history; `command` is what made it, where that is known."""

    index: int
    compressed_size: int | None
    is_remote: bool
    urls: list[str] | None
    command: list[str] | None
    comment: str | None
    author: str | None
    blob_digest: str
    created_datetime: Moment | None


def describe_layers(manifest: Mapping[str, Any], config: Mapping[str, Any]) -> list[LayerView]:
    """The layers from the lowest up, as manifest and config tell; a history that does not fit or end is left out."""
    layers = [layer for layer in manifest.get("layers", ()) if isinstance(layer, dict)]
    history = config.get("history")
    steps = [step for step in history if isinstance(step, dict)] if isinstance(history, list) else []
    if len(steps) > MOST_STEPS or sum(not step.get("empty_layer") for step in steps) != len(layers):
        steps = [{} for _ in layers]
    return list(_describe(steps, iter(layers)))


def _describe(steps: list[dict[str, Any]], layers: Iterator[dict[str, Any]]) -> Iterator[LayerView]:
    empty: dict[str, Any] = {"digest": EMPTY_LAYER, "size": EMPTY_LAYER_SIZE}
    for index, step in enumerate(steps):
        layer = empty if step.get("empty_layer") else next(layers)
        urls = _texts(layer.get("urls"))
        command = _text(step.get("created_by"))
        yield LayerView(
            index=index,
            compressed_size=layer.get("size"),
            is_remote=bool(urls),
            urls=urls,
            command=None if command is None else [command],
            comment=_text(step.get("comment")),
            author=_text(step.get("author")),
            blob_digest=str(layer.get("digest")),
            created_datetime=_moment(step.get("created")),
        )


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return value.encode(errors="replace").decode()  # JSON can name halves of characters, which nothing can show


def _texts(value: Any) -> list[str] | None:
    texts = [_text(each) for each in value] if isinstance(value, list) else []
    return [text for text in texts if text] or None


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the second: in the year 1 or 9999, and elsewhere in another one
        return None
