"""Exports of the action log: asked for by REST, written by a worker, fetched by the link."""

import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from buildworker import exports
from buildworker.entry import KINDS, take
from buildworker.runtime import Runtime
from buildworker.stop import Stop
from models import jobs, log_exports
from models.jobs import Lease
from models.rotation import rotate_secrets
from models.tables import Delivery, Job, LogExport
from models.tables.base import now
from storage.driver import StorageError
from storage.memory import MemoryStorage
from tests.contract.exchanges import PROBLEM
from tests.contract.test_logs import write
from tests.factories.api import Api
from web import exports as pages

PATHS = ("/organization/acme/exportlogs", "/repository/acme/app/exportlogs", "/user/exportlogs")
URL = "https://example.com/hook?secret=1"


@pytest.fixture
def client(api: Api) -> FlaskClient:
    app = Flask("tests")
    app.register_blueprint(pages.blueprint(api.services))
    return app.test_client()


def runtime(api: Api, **settings: Any) -> Runtime:
    services = api.services
    changed = services.settings.model_copy(update=settings)
    return Runtime(changed, services.database, services.storage, services.redis)


def asked(api: Api, path: str = PATHS[0], query: str = "", **body: str) -> dict[str, str]:
    answer = api.post(path + query, body or {"callback_url": URL}, by="owner")
    assert (answer.status, answer.body.keys()) == (200, {"export_id", "exported_data_url"}), answer.text
    export: dict[str, str] = answer.body
    return export


def taken(api: Api, uuid: str) -> Lease:
    lease = take(runtime(api), uuid, "a worker")
    assert lease
    return lease


def carried_out(api: Api, uuid: str, **settings: Any) -> None:
    exports.run(runtime(api, **settings), taken(api, uuid), Stop())


def stored(api: Api, export: dict[str, str]) -> bool:
    """Whether the file lies in storage."""
    return export["export_id"] in str(list(api.services.storage.list("exports")))


def told(api: Api) -> list[Any]:
    """What callbacks and mails would get."""
    with api.database.read() as session:
        rows = session.scalars(select(Delivery).order_by(Delivery.id)).all()
        return [json.loads(session.vault.decrypt(row.encrypted_message or "")) for row in rows]


def fetched(client: FlaskClient, export: dict[str, str]) -> Any:
    answer = client.get(export["exported_data_url"].removeprefix("http://localhost:8080"))
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == str(len(answer.data))
    return json.loads(answer.data)


@pytest.mark.parametrize("path", PATHS)
def test_a_log_is_exported_to_who_has_the_link(api: Api, client: FlaskClient, path: str) -> None:
    write(api, "push_repo", number=30)
    export = asked(api, path)
    with api.database.read() as session:
        assert session.scalars(select(Job.kind)).one() == log_exports.KIND
    assert KINDS[log_exports.KIND] is exports.run
    waiting = client.get(export["exported_data_url"].removeprefix("http://localhost:8080"))
    assert (waiting.status_code, waiting.headers["Retry-After"]) == (202, "5")
    carried_out(api, export["export_id"])
    file = fetched(client, export)
    assert file.keys() == {"export_id", "details", "logs"}
    assert file["details"].keys() == {"start_time", "end_time", "namespace", "repository"}
    assert file["logs"][-1] == {"terminator": True}
    listed = api.get(path.replace("exportlogs", "logs"), by="owner").body["logs"]
    assert file["logs"][: len(listed)] == listed
    assert (len(file["logs"]) > 30) == (path != "/user/exportlogs")


def test_whom_it_concerns_is_told_where_the_file_is(api: Api) -> None:
    export = asked(
        api, query="?starttime=11/13/2026&endtime=11/21/2026", callback_url=URL, callback_email="a@b.example"
    )
    carried_out(api, export["export_id"], FEATURE_MAILING=True)
    callback, mail = told(api)
    assert callback["url"] == URL
    assert callback["content"] == {
        "export_id": export["export_id"],
        "start_time": "11/13/2026",
        "end_time": "11/21/2026",
        "namespace": "acme",
        "repository": None,
        "exported_data_url": export["exported_data_url"],
        "status": "success",
    }
    assert mail["to"] == "a@b.example"
    assert export["exported_data_url"] in mail["text"]
    shown = {"export_id": export["export_id"], "url": "https://example.com/hook?…", "email": "a@b.example"}
    assert api.logged(about="export_logs") == [("export_logs_success", "owner", {"namespace": "acme", **shown})]


def test_the_link_is_all_that_opens_the_file_and_only_for_a_while(api: Api, client: FlaskClient) -> None:
    export = asked(api)
    carried_out(api, export["export_id"])
    path = export["exported_data_url"].removeprefix("http://localhost:8080")
    assert client.get(path).status_code == 200
    assert client.get(path[:-1] + ("0" if path[-1] != "0" else "1")).status_code == 404
    assert client.get(f"/exportedlogs/{export['export_id']}").status_code == 404
    assert client.get("/exportedlogs/").status_code == 404
    exports.remove_expired(runtime(api))
    assert client.get(path).status_code == 200
    with api.database.write() as session:
        session.execute(update(LogExport).values(expires_at=now()))
    assert client.get(path).status_code == 404
    exports.remove_expired(runtime(api))
    assert not stored(api, export)
    with api.database.read() as session:
        assert session.scalars(select(LogExport)).all() == []


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"callback_url": "ftp://example.com"}, ""),
        ({"callback_url": "nonsense"}, ""),
        ({"callback_url": "http://user:word@example.com/"}, ""),
        ({"callback_url": "http://10.0.0.1/"}, ""),
        ({"callback_url": "http://[::1]/"}, ""),
        ({"callback_email": "nobody"}, ""),
        ({"callback_email": "a@b.example,c@d.example"}, ""),
        ({"more": 1}, ""),
        ({"callback_url": 5}, ""),
        ({"callback_url": URL}, "?starttime=garbage"),
        ({"callback_url": URL}, "?starttime=11/21/2026&endtime=11/13/2026"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(api: Api, body: dict[str, Any], query: str) -> None:
    for path in PATHS:
        answer = api.post(path + query, body, by="owner")
        assert (answer.status, answer.body.keys()) == (400, PROBLEM)
    with api.database.read() as session:
        assert session.scalars(select(Job)).all() == []
    assert api.logged(about="export_logs") == []


def test_nobody_else_exports_it_and_not_too_many_at_once(api: Api) -> None:
    for path in PATHS[:2]:
        assert [api.post(path, {}, by="writer").status, api.post(path, {}).status] == [403, 401]
    assert api.post("/repository/acme/none/exportlogs", {}, by="owner").status == 404
    for _ in range(log_exports.MOST_OPEN):
        asked(api)
    assert api.post(PATHS[0], {}, by="owner").status == 429
    assert api.post(PATHS[2], {}, by="owner").status == 200


def test_an_export_that_takes_too_long_is_told_so(api: Api, client: FlaskClient) -> None:
    export = asked(api)
    carried_out(api, export["export_id"], EXPORT_ACTION_LOGS_MAXIMUM_SECONDS=-1)
    (callback,) = told(api)
    assert (callback["content"]["status"], callback["content"]["exported_data_url"]) == ("timedout", None)
    answer = client.get(export["exported_data_url"].removeprefix("http://localhost:8080"))
    assert answer.status_code == 410
    assert answer.json
    assert answer.json["status"] == "timedout"
    (entry,) = api.logged("export_logs_failure")
    assert entry[2].items() >= {"export_id": export["export_id"], "url": "https://example.com/hook?…"}.items()
    assert "longer" in entry[2]["error"]
    assert not stored(api, export)


class FullStorage(MemoryStorage):
    """A store that takes nothing."""

    def append(self, state: Any, chunks: Any) -> Any:
        raise StorageError("full")


def test_what_may_pass_is_tried_again_and_told_in_the_end(api: Api) -> None:
    export = asked(api)
    services = api.services
    broken = Runtime(services.settings, services.database, FullStorage(), services.redis)
    for attempt in (1, 2, 3):
        lease = taken(api, export["export_id"])
        assert lease.attempt == attempt
        exports.run(broken, lease, Stop())
        with api.database.write() as session:
            session.execute(update(Job).values(queued_at=now() - timedelta(seconds=1)))
    (callback,) = told(api)
    assert callback["content"]["status"] == "failed"
    assert [kind for kind, _, _ in api.logged("export_logs_failure")] == ["export_logs_failure"]


def test_a_worker_that_stops_gives_the_export_back(api: Api) -> None:
    export = asked(api)
    stop = Stop()
    stop.set()
    exports.run(runtime(api), taken(api, export["export_id"]), stop)
    with api.database.read() as session:
        job = session.scalars(select(Job)).one()
        assert (job.state, job.attempts) == ("queued", 0)
    assert told(api) == []


def test_an_export_that_lost_its_worker_for_good_is_told(api: Api) -> None:
    export = asked(api)
    for _ in range(3):
        taken(api, export["export_id"])
        with api.database.write() as session:
            session.execute(update(Job).values(heartbeat_at=now() - timedelta(minutes=5)))
            for lost in jobs.requeue_lost(session, timedelta(minutes=1)):
                log_exports.record_lost(session, api.services.settings, lost)
    (callback,) = told(api)
    assert callback["content"]["status"] == "failed"


def test_one_that_another_worker_took_over_is_not_told_twice(api: Api) -> None:
    export = asked(api)
    first = taken(api, export["export_id"])
    with api.database.write() as session:
        session.execute(update(Job).values(state="queued", owner=None))
    carried_out(api, export["export_id"])
    exports.run(runtime(api), first, Stop())
    assert len(told(api)) == 1


def test_whom_to_tell_is_a_secret_at_rest(api: Api) -> None:
    asked(api)
    with api.database.read() as session:
        assert "secret" not in str(session.scalars(select(LogExport.encrypted_callback)).one())
    assert rotate_secrets(api.database)["log_export"] == 1


def test_every_entry_is_there_once_however_many_pages_there_are(api: Api, client: FlaskClient) -> None:
    write(api, "push_repo", number=2 * exports.PAGE + 1, at=now())
    export = asked(api, PATHS[1])
    carried_out(api, export["export_id"])
    kinds = [entry.get("kind") for entry in fetched(client, export)["logs"]]
    assert kinds.count("push_repo") == 2 * exports.PAGE + 1
