import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, request
from pydantic import SecretStr

from cli.app import LARGEST_FORM, create_app
from config.settings import Settings
from registry.services import Services

KEY = SecretStr("a key that is long enough for a test")


def make_app(data: Path, **settings: object) -> Flask:
    given = {"DATA": data, "SECRET_KEY": KEY, "DATABASE_SECRET_KEY": KEY, "REDIS_URL": SecretStr("redis://127.0.0.1:1")}
    return create_app(Settings.model_validate(given | settings))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = make_app(tmp_path)
    yield app
    services: Services = app.extensions["drydock"]
    services.close()


def test_every_surface_is_there(app: Flask) -> None:
    client = app.test_client()

    assert client.get("/").status_code == 200
    assert client.get("/health/instance").status_code == 200
    assert client.get("/v2/").status_code == 401
    assert client.get("/api/v1/discovery").json["swagger"] == "2.0"  # type: ignore[index]


@pytest.mark.parametrize("name", ["abc", "4bf92f35-77b3", "a" * 128])
def test_a_sane_request_id_is_taken_over(app: Flask, name: str) -> None:
    assert app.test_client().get("/", headers={"X-Request-ID": name}).headers["X-Request-ID"] == name


@pytest.mark.parametrize("name", ["", "a b", "a" * 129, "é", "<script>"])
def test_any_other_is_replaced(app: Flask, name: str) -> None:
    answered = app.test_client().get("/nowhere", headers={"X-Request-ID": name}).headers["X-Request-ID"]

    assert re.fullmatch(r"[0-9a-f-]{36}", answered)


def test_what_does_not_exist_is_told_in_the_words_of_the_surface(app: Flask) -> None:
    client = app.test_client()

    assert client.get("/api/v1/nowhere").json["error_type"] == "not_found"  # type: ignore[index]
    assert client.get("/nowhere").status_code == 404


@pytest.mark.parametrize("path", ["/v2/auth", "/signin"])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
def test_a_form_of_any_size_does_not_fill_the_memory(app: Flask, path: str, kind: str) -> None:
    answer = app.test_client().post(path, data=b"a" * (LARGEST_FORM + 1), content_type=kind)
    assert answer.status_code == 413


@pytest.mark.parametrize(("proxies", "seen"), [(0, ("127.0.0.1", "http")), (1, ("192.0.2.1", "https"))])
def test_forwarding_headers_count_only_behind_as_many_proxies(
    tmp_path: Path, proxies: int, seen: tuple[str, str]
) -> None:
    app = make_app(tmp_path, TRUSTED_PROXIES=proxies)

    @app.get("/seen")
    def show() -> list[str | None]:
        return [request.remote_addr, request.scheme]

    headers = {"X-Forwarded-For": "203.0.113.9, 192.0.2.1", "X-Forwarded-Proto": "https"}
    assert app.test_client().get("/seen", headers=headers).json == list(seen)
    services: Services = app.extensions["drydock"]
    services.close()
