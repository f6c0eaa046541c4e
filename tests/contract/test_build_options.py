"""What a request for a build may say beyond Quay's: arguments, labels, secrets, target and platform."""

from typing import Any

import pytest
from sqlalchemy import select

from models.session import Database
from models.tables import Build
from tests.contract.conftest import Install
from tests.factories.api import Api
from tests.factories.world import make_world

BUILDS = "/repository/acme/app/build/"
URL = "https://example.com/a.tar.gz"
TOLD = {
    "build_args": {"VERSION": "1.2", "EMPTY": ""},
    "labels": {"org.opencontainers.image.version": "1.2"},
    "target": "release",
    "platform": "linux/arm64",
}


@pytest.fixture
def kit(install: Install, database: Database) -> Api:
    """An installation that builds with BuildKit."""
    app = install(BUILD_ENGINE="buildkit")
    with database.write() as session:
        make_world(session)
    return Api(app)


def test_arguments_labels_target_and_platform_are_kept_and_shown_to_writers(api: Api) -> None:
    made = api.post(BUILDS, {"archive_url": URL, **TOLD}, by="writer")
    assert made.status == 201
    shown = api.get(f"{BUILDS}{made.body['id']}", by="writer").body
    assert {name: shown[name] for name in TOLD} == TOLD
    assert not set(TOLD) & api.get(f"{BUILDS}{made.body['id']}", by="reader").body.keys()


def test_a_build_without_any_shows_none(api: Api) -> None:
    shown = api.post(BUILDS, {"archive_url": URL}, by="writer").body
    assert {name: shown[name] for name in TOLD} == {"build_args": {}, "labels": {}, "target": None, "platform": None}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"build_args": {"1X": "x"}}, "build_args: '1X' is no name"),
        ({"build_args": {"BuildKit_SYNTAX": "x"}}, "BuildKit_SYNTAX is for the builder itself"),
        ({"build_args": {f"A{number}": "" for number in range(101)}}, "build_args: expected at most 100"),
        ({"labels": {"drydock.job": "x"}}, "labels: drydock.job"),
        ({"labels": {"a b": "x"}}, "labels: 'a b'"),
        ({"target": "a b"}, "target: expected"),
        ({"platform": "arm"}, "platform: expected"),
        ({"secrets": {"a/b": "x"}}, "secrets: 'a/b'"),
        ({"secrets": {"a": ""}}, "secrets: expected a to have 1"),
        ({"secrets": {"key": "hunter2hunter2"}}, "secrets: images are built by docker here"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name_and_changes_nothing(
    api: Api, database: Database, body: dict[str, Any], detail: str
) -> None:
    answer = api.post(BUILDS, {"archive_url": URL, **body}, by="writer")
    assert answer.status == 400
    assert detail in answer.body["detail"]
    assert "hunter2" not in answer.text
    with database.read() as session:
        assert session.scalars(select(Build)).all() == []


def test_secrets_are_kept_encrypted_never_shown_and_forgotten_with_the_build(kit: Api, database: Database) -> None:
    made = kit.post(BUILDS, {"archive_url": URL, "secrets": {"key": "hunter2hunter2"}}, by="writer")
    assert made.status == 201
    with database.read() as session:
        sealed = session.scalars(select(Build.encrypted_secrets)).one()
        assert sealed is not None
        assert session.vault.decrypt(sealed) == '{"key": "hunter2hunter2"}'
    for path in (BUILDS, f"{BUILDS}{made.body['id']}", "/repository/acme/app/logs"):
        assert "hunter2" not in kit.get(path, by="owner").text
    assert kit.delete(f"{BUILDS}{made.body['id']}", by="owner").status == 201
    with database.read() as session:
        assert session.scalars(select(Build.encrypted_secrets)).one() is None
