"""Logs of builds as a stream of events and as files: what comes, to whom, and how a reader goes on."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from api.v1 import build_logs
from models import jobs, log_feed
from models.build_orders import record_logs
from models.builds import find_build
from models.log_feed import LogFeed, News
from tests.contract.conftest import Install
from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.api import Api
from tests.factories.browser import Browser
from web import build_logs as web_logs

BUILDS = "/repository/acme/app/build/"
URL = "https://example.com/archive.tar.gz"
ENTRIES: list[dict[str, Any]] = [
    {"message": "building", "type": "phase", "data": {"datetime": "2026-01-01 00:00:00"}},
    {"message": "Step 1/2 : FROM scratch", "type": "command"},
    {"message": " ---> Running\u2028"},
    {"message": "oops", "type": "error"},
]
E = Exchange


def ended(api: Api) -> str:
    """A build that has ended, and whose log is archived."""
    uuid = str(api.post(BUILDS, {"archive_url": URL}, by="owner").body["id"])
    packed = gzip.compress(b"".join(json.dumps(entry).encode() + b"\n" for entry in ENTRIES))
    api.services.storage.write(f"logs/{uuid}", packed)
    with api.database.write() as session:
        lease = jobs.claim(session, uuid, "a worker")
        assert lease is not None
        jobs.finish(session, lease, "error", error="oops", failure="user")
        record_logs(session, uuid, f"logs/{uuid}", len(ENTRIES))
    return uuid


def read(text: str) -> list[dict[str, str]]:
    """The events of a stream."""
    blocks = [block.split("\n") for block in text.split("\n\n") if block]
    return [dict(line.split(": ", 1) for line in block if not line.startswith(":")) for block in blocks]


def test_a_log_is_streamed_and_the_end_is_told(api: Api) -> None:
    answer = api.get(f"{BUILDS}{ended(api)}/logs/stream", by="writer")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    assert (answer.headers["X-Accel-Buffering"], answer.headers["Cache-Control"]) == ("no", "no-store")
    first, *events, end = read(answer.text)
    assert first == {"retry": "1000"}
    assert [(int(event["id"]), json.loads(event["data"])) for event in events] == list(enumerate(ENTRIES, 1))
    assert (end["event"], json.loads(end["data"])) == ("end", {"phase": "error", "total": 4})


def test_a_reader_goes_on_after_the_last_event_it_has_seen(api: Api) -> None:
    path = f"{BUILDS}{ended(api)}/logs/stream"
    _, event, end = read(api.get(path, by="writer", headers={"Last-Event-ID": "3"}).text)
    assert (event["id"], json.loads(event["data"])) == ("4", ENTRIES[3])
    assert read(api.get(f"{path}?start=3", by="writer").text)[1:] == [event, end]
    assert api.get(path, by="writer", headers={"Last-Event-ID": end["id"]}).status == 204
    refused = api.get(path, by="writer", headers={"Last-Event-ID": "nonsense"})
    assert (refused.status, refused.body["detail"][:14]) == (400, "Last-Event-ID:")


def test_a_log_is_fetched_as_text_and_by_people_as_in_quay(api: Api) -> None:
    uuid = ended(api)
    answer = api.get(f"{BUILDS}{uuid}/logs/download", by="writer")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{uuid}.log"'
    assert answer.text == (
        "[2026-01-01 00:00:00] building\nStep 1/2 : FROM scratch\n ---> Running\u2028\nerror: oops\n"
    )


def test_people_fetch_whole_logs_where_quay_has_them(api: Api, install: Install) -> None:
    uuid = ended(api)
    app = install()
    app.register_blueprint(web_logs.blueprint(api.services))
    answers = {}
    for name in ("writer", "reader"):
        browser = Browser(app)
        browser.enter(api.services, name)
        answers[name] = browser.get(f"/buildlogs/{uuid}")
    assert answers["writer"].get_json() == {"start": 0, "total": 4, "logs": ENTRIES}
    assert answers["reader"].status_code == 403
    assert Browser(app).get(f"/buildlogs/{uuid}").headers["Location"].startswith("/signin?")


def test_only_who_may_read_the_log_does(api: Api) -> None:
    uuid = ended(api)
    paths = [f"{BUILDS}{uuid}/logs/{name}" for name in ("stream", "download")]
    play(api, [E("GET", path, 403, PROBLEM, by=by) for path in paths for by in ("reader", "stranger")])
    play(api, [E("GET", path, 401, PROBLEM, by=None) for path in paths])
    play(api, [E("GET", path.replace(uuid, "nosuch"), 400, PROBLEM) for path in paths])


def test_a_store_that_is_away_is_told(api: Api) -> None:
    uuid = ended(api)
    api.services.storage.delete([f"logs/{uuid}"])
    assert api.get(f"{BUILDS}{uuid}/logs/download", by="writer").status == 503


def test_there_are_only_so_many_streams_at_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_logs, "MOST_OF_ONE", 1)
    path = f"{BUILDS}{ended(api)}/logs/stream"
    token = {"Authorization": f"Bearer {api.token('writer')}"}
    client = api.app.test_client()
    first = client.get(f"/api/v1{path}", headers=token, buffered=False)
    refused = client.get(f"/api/v1{path}", headers=token)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    assert client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {api.token('owner')}"}).status_code == 200
    first.close()
    assert client.get(f"/api/v1{path}", headers=token).status_code == 200


class GrowingRedis:
    """As much of Redis as a feed needs: a list that grows, one stretch at each look; None: it does not answer."""

    def __init__(self, *stretches: list[dict[str, Any]] | None) -> None:
        self.lines: list[bytes] = []
        self._stretches = list(stretches)

    def lrange(self, key: str, start: int, stop: int) -> list[bytes]:
        more = self._stretches.pop(0) if self._stretches else []
        if more is None:
            raise RedisConnectionError
        self.lines += [json.dumps(entry).encode() for entry in more]
        return self.lines[start : stop + 1]


def follow(api: Api, uuid: str, redis: GrowingRedis, *, at_look: dict[int, Callable[[], None]]) -> list[News]:
    """What a feed gives; before a look of that number something happens."""
    looks = 0

    def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        at_look.get(looks, lambda: None)()

    feed = LogFeed(redis, api.database, uuid, open_archive=api.services.storage.open, until=float("inf"), sleep=sleep)  # type: ignore[arg-type]
    return list(feed.news(0))


def test_a_log_that_grows_is_followed_to_its_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_feed, "ASK_EVERY_S", 0)
    uuid = str(api.post(BUILDS, {"archive_url": URL}, by="owner").body["id"])

    def finish() -> None:
        with api.database.write() as session:
            lease = jobs.claim(session, uuid, "a worker")
            assert lease is not None
            jobs.finish(session, lease, "success", phase="complete")

    done = {"message": "complete", "type": "phase", "data": {"datetime": "2026-01-01 00:00:00"}}
    redis = GrowingRedis(ENTRIES[:2], [], None, ENTRIES[2:], [done])
    news = follow(api, uuid, redis, at_look={4: finish})
    told = [json.loads(line) for each in news for line in each.lines]
    assert told == [*ENTRIES, done]
    assert [each.end for each in news if each.end] == ["complete"]
    assert news[-1].start == 5


def test_a_build_that_never_began_ends_its_log(api: Api) -> None:
    uuid = str(api.post(BUILDS, {"archive_url": URL}, by="owner").body["id"])
    with api.database.read() as session:
        assert find_build(session, uuid)
    api.delete(f"{BUILDS}{uuid}", by="owner")
    assert [each.end for each in follow(api, uuid, GrowingRedis(), at_look={}) if each.end] == ["cancelled"]


def test_a_quiet_stream_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_logs, "KEEP_ALIVE_S", 0)
    assert list(build_logs.events(iter([News(0, [])]))) == [b"retry: 1000\n\n", b": keep-alive\n\n"]
