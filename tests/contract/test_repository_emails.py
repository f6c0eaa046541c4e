"""An address is told of a repository only if whoever reads it agrees, on a page behind a link in a mail."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from models.repository_emails import LASTS
from models.session import Database
from models.tables import RepositoryEmail
from registry.session_cookie import CSRF_FIELD
from tests.factories.api import Api
from tests.factories.outbox import new_messages
from tests.factories.world import make_world
from web import repository_emails

PATH = "/repository/acme/app/authorizedemail/ann@example.com"
WISH = {"event": "repo_push", "method": "email", "config": {"email": "ann@example.com"}, "eventConfig": {}}


@pytest.fixture
def mailed(mailing: Flask, database: Database) -> Api:
    api = Api(mailing)
    mailing.register_blueprint(repository_emails.blueprint(api.services))
    with database.write() as session:
        make_world(session)
    return api


def codes(api: Api) -> list[str]:
    """Of the links in the mails that were written since the last time."""
    link = r"http://localhost:8080/authrepoemail\?code=(\S+)"
    return [code for message in new_messages(api.database) for code in re.findall(link, message["text"])]


def agree(client: FlaskClient, code: str) -> int:
    """Open the link, and press the button."""
    shown = client.get("/authrepoemail", query_string={"code": code})
    if shown.status_code != 200:
        return shown.status_code
    token = re.search(rf'name="{CSRF_FIELD}" value="([^"]+)"', shown.text)
    assert token, shown.text
    return client.post("/authrepoemail", data={"code": code, CSRF_FIELD: token[1]}).status_code


def test_who_reads_the_address_agrees_and_then_it_is_told(mailed: Api, mailing: Flask) -> None:
    assert mailed.get(PATH, by="owner").status == 404
    asked = mailed.post(PATH, by="owner")
    record = {"email": "ann@example.com", "repository": "app", "namespace": "acme", "confirmed": False}
    assert (asked.status, asked.body) == (200, record)
    assert mailed.get(PATH, by="owner").body == record
    assert mailed.post("/repository/acme/app/notification/", WISH, by="owner").status == 400
    (code,) = codes(mailed)
    client = mailing.test_client()
    assert client.get("/authrepoemail", query_string={"code": code}).status_code == 200
    assert mailed.get(PATH, by="owner").body["confirmed"] is False  # looking is not agreeing
    assert client.post("/authrepoemail", data={"code": code}).status_code == 403
    assert agree(client, code) == 200
    assert mailed.get(PATH, by="owner").body == record | {"confirmed": True}
    assert mailed.post(PATH, by="owner").body["confirmed"] is True
    assert mailed.post("/repository/acme/app/notification/", WISH, by="owner").status == 201
    elsewhere = WISH | {"event": "repo_push"}
    assert mailed.post("/repository/acme/public/notification/", elsewhere, by="owner").status == 400
    assert codes(mailed) == []


def test_a_code_is_kept_as_a_hash_and_nobody_is_flooded(mailed: Api, mailing: Flask) -> None:
    for _ in range(3):
        mailed.post(PATH, by="owner")
    (first,) = codes(mailed)
    with mailed.database.write() as session:
        row = session.scalars(select(RepositoryEmail)).one()
        assert first not in row.code_hash
        row.asked_at -= LASTS
    assert agree(mailing.test_client(), first) == 400  # too late
    mailed.post(PATH, by="owner")
    (second,) = codes(mailed)
    assert agree(mailing.test_client(), first) == 400
    assert agree(mailing.test_client(), "nonsense") == 400
    assert agree(mailing.test_client(), second) == 200


def test_who_does_not_administer_learns_and_sends_nothing(mailed: Api) -> None:
    mailed.post(PATH, by="owner")
    for person in ("writer", "reader", "stranger"):
        assert mailed.get(PATH, by=person).status == 403
        assert mailed.post(PATH, by=person).status == 403
    assert mailed.post("/repository/acme/app/authorizedemail/nonsense", by="owner").status == 400
    assert mailed.post("/repository/acme/app/authorizedemail/a@b.example,c@d.example", by="owner").status == 400
    assert len(codes(mailed)) == 1


def test_without_mail_there_is_nothing_to_agree_to(api: Api) -> None:
    assert api.get(PATH, by="owner").status == 404
    assert "repoemail" not in api.get("/discovery").text
