"""What is shown of manifests and configs that were pushed, and are odd."""

from typing import Any

import pytest
from sqlalchemy import select

from api.v1.layers import MOST_STEPS, describe_layers
from api.v1.manifests import LARGEST_CONFIG
from models.access import find_account, find_repository
from models.tables import Manifest, User
from tests.factories.accounts import identity_of
from tests.factories.api import Api
from tests.factories.images import push_image
from tests.factories.world import make_world


@pytest.fixture(autouse=True)
def _world(api: Api) -> None:
    with api.database.write() as session:
        make_world(session)


def pushed(api: Api, layers: int, config: dict[str, Any]) -> str:
    """The digest of an image with so many layers and this config."""
    with api.database.write() as session:
        repository = find_repository(session, "acme", "app")
        owner = find_account(session, "owner")
        assert repository
        assert isinstance(owner, User)
        blobs = [str(number).encode() for number in range(layers)]
        return push_image(
            session, api.services.storage, repository, "odd", layers=blobs, config=config, actor=identity_of(owner)
        ).digest


@pytest.mark.parametrize(("empty_steps", "padding"), [(MOST_STEPS, 0), (1, LARGEST_CONFIG)])
def test_an_absurdly_large_history_is_left_out(api: Api, empty_steps: int, padding: int) -> None:
    steps = [{"created_by": "COPY"}, *[{"empty_layer": True}] * empty_steps]
    digest = pushed(api, 1, {"history": steps, "padding": "x" * padding})
    shown = api.get(f"/repository/acme/app/manifest/{digest}", by="reader").body
    assert [layer["command"] for layer in shown["layers"]] == [None]


def test_a_history_of_oddities_is_shown_all_the_same(api: Api) -> None:
    odd = {"created": "0001-01-01T00:00:00+14:00", "created_by": "RUN \ud800", "author": 5, "comment": ["x"]}
    answer = api.get(f"/repository/acme/app/manifest/{pushed(api, 1, {'history': [odd]})}", by="reader")
    assert answer.status == 200
    (layer,) = answer.body["layers"]
    assert (layer["command"], layer["created_datetime"], layer["author"]) == (["RUN ?"], None, None)


@pytest.mark.parametrize(
    ("urls", "shown"), [("x", None), ([1, "", "https://a.example"], ["https://a.example"]), ({}, None)]
)
def test_the_urls_of_a_layer_are_those_that_can_be(urls: object, shown: list[str] | None) -> None:
    (layer,) = describe_layers({"layers": [{"digest": "sha256:0", "size": 1, "urls": urls}]}, {})
    assert (layer.urls, layer.is_remote) == (shown, shown is not None)


def test_a_manifest_that_is_no_utf_8_is_shown_all_the_same(api: Api) -> None:
    digest = pushed(api, 2, {})
    with api.database.write() as session:
        row = session.scalars(select(Manifest).where(Manifest.digest == digest)).one()
        row.content = row.content.decode().encode("utf-16")
    shown = api.get(f"/repository/acme/app/manifest/{digest}", by="reader")
    assert (shown.status, len(shown.body["layers"])) == (200, 2)
