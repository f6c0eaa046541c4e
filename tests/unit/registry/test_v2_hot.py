"""The hot path says what the views say, or nothing."""

from collections.abc import Iterator

import pytest

from models.prepared import Ask, Rows
from registry.names import Digest
from registry.v2.hot import SMALL, HotPath, HotRequest
from tests.unit.registry.conftest import Registry

ALWAYS_OF_THE_SERVER = {"Content-Length", "Connection", "Date"}


def ask(
    registry: Registry, path: str, *, method: str = "GET", token: str | None = "acme+ci", query: str = ""
) -> HotRequest:
    """A request whose token the views have seen before."""
    headers = {"host": "localhost"}
    if token is not None:
        found = registry.token(token, "repository:acme/app:pull")
        registry.app.extensions["drydock.registry"].tokens.verify(found)
        headers["authorization"] = f"Bearer {found}"
    return HotRequest(method, f"/v2/{path}", query, headers, "127.0.0.1")


@pytest.fixture
def hot(registry: Registry) -> Iterator[HotPath]:
    registry.push_image("v1")
    registry.push_image("v2", note="2")
    path = HotPath(registry.app.extensions["drydock.registry"])
    yield path
    path.close()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("", ""),
        ("acme/app/manifests/v1", ""),
        (f"acme/app/blobs/{Digest.of(b'layer')}", ""),
        ("acme/app/tags/list", ""),
        ("acme/app/tags/list", "n=1"),
        ("acme/app/tags/list", "n=1&last=v1"),
        ("acme/app/tags/list", "n=2"),
    ],
)
def test_it_answers_as_the_views_do(registry: Registry, hot: HotPath, path: str, query: str, method: str) -> None:
    request = ask(registry, path, query=query, method=method)
    answer = hot.answer(request)
    assert answer is not None
    headers = {"Authorization": request.headers["authorization"]}
    view = registry.client.open(f"{request.path}?{query}", method=method, headers=headers)
    assert (view.status_code, view.data) == (200, answer.body)
    assert view.headers["Content-Length"] == str(answer.length)
    shown = {name: value for name, value in view.headers.items() if name not in ALWAYS_OF_THE_SERVER}
    assert shown == answer.headers


def test_a_digest_is_found_as_a_tag_is(registry: Registry, hot: HotPath) -> None:
    by_tag = hot.answer(ask(registry, "acme/app/manifests/v1"))
    assert by_tag is not None
    by_digest = hot.answer(ask(registry, f"acme/app/manifests/{by_tag.headers['Docker-Content-Digest']}"))
    assert by_digest is not None
    assert by_digest.body == by_tag.body


def test_it_sees_every_change_at_once(registry: Registry, hot: HotPath) -> None:
    before = hot.answer(ask(registry, "acme/app/manifests/v1"))
    moved = registry.push_image("v1", note="moved")
    after = hot.answer(ask(registry, "acme/app/manifests/v1"))
    assert before is not None
    assert after is not None
    assert after.headers["Docker-Content-Digest"] == moved != before.headers["Docker-Content-Digest"]
    registry.call("DELETE", f"acme/app/manifests/{moved}")
    assert hot.answer(ask(registry, "acme/app/manifests/v1")) is None
    assert hot.answer(ask(registry, f"acme/app/manifests/{moved}")) is None


def test_requests_that_come_together_are_answered_as_each_would_be_alone(registry: Registry, hot: HotPath) -> None:
    together = [
        ask(registry, "acme/app/manifests/v1"),
        ask(registry, "acme/app/manifests/none"),
        ask(registry, "acme/app/tags/list"),
        ask(registry, "acme/app/manifests/v2"),
        ask(registry, "acme/app/manifests/v1", token=None),
        ask(registry, "acme/app/manifests/v1", method="HEAD"),
        ask(registry, f"acme/app/blobs/{Digest.of(b'layer')}"),
        ask(registry, ""),
    ]
    alone = [hot.answer(request) for request in together]
    assert hot.answers(together) == alone
    assert [answer is None for answer in alone] == [False, True, False, False, True, False, False, False]


def test_what_several_ask_at_once_the_database_is_asked_once(
    registry: Registry, hot: HotPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = []
    answers = hot._reader._answers

    def count(asked: list[Ask]) -> list[Rows]:
        rounds.append(len(asked))
        return answers(asked)

    monkeypatch.setattr(hot._reader, "_answers", count)
    requests = [ask(registry, f"acme/app/manifests/v{number}") for number in (1, 2, 1, 1)]
    first, second, *others = hot.answers(requests)
    assert rounds == [2, 2]  # the tags, and the manifests that were not read before
    assert others == [first, first] != [second, second]
    assert hot.answers(requests) == [first, second, first, first]
    assert rounds == [2, 2, 2]


def test_a_defect_with_one_request_is_not_held_against_the_others(
    registry: Registry, hot: HotPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(hot, "_list_tags", fail)
    answers = hot.answers([ask(registry, "acme/app/tags/list"), ask(registry, "acme/app/manifests/v1")])
    assert [answer is None for answer in answers] == [True, False]


def test_it_leaves_everything_else_to_the_views(registry: Registry, hot: HotPath) -> None:
    big = registry.push_blob(b"b" * (SMALL + 1))
    leave = [
        ask(registry, "", token=None),
        ask(registry, "acme/app/manifests/v1", token=None),
        ask(registry, "acme/app/manifests/v1", token="stranger+bot"),
        ask(registry, "acme/other/manifests/v1"),
        ask(registry, "acme/app/manifests/none"),
        ask(registry, "acme/app/manifests/-bad"),
        ask(registry, "acme/app/manifests/v1", query="x=1"),
        ask(registry, f"acme/app/blobs/{big}"),
        ask(registry, f"acme/app/blobs/{Digest.of(b'none')}"),
        ask(registry, "acme/app/blobs/sha256:zz"),
        ask(registry, "acme/app/tags/list", query="n=0"),
        ask(registry, "acme/app/tags/list", query="n=x"),
        ask(registry, "_catalog"),
        ask(registry, "auth"),
    ]
    assert [request.path for request in leave if hot.answer(request) is not None] == []
    pusher = ask(registry, f"acme/app/blobs/{Digest.of(b'layer')}", method="HEAD")
    pusher.headers["authorization"] = f"Bearer {registry.token('acme+ci', 'repository:acme/app:pull,push')}"
    assert hot.answer(pusher) is None
    ranged = ask(registry, f"acme/app/blobs/{Digest.of(b'layer')}")
    ranged.headers["range"] = "bytes=0-1"
    assert hot.answer(ranged) is None


def test_a_pull_is_logged_and_a_look_is_not(registry: Registry, hot: HotPath) -> None:
    hot.answer(ask(registry, "acme/app/manifests/v1", method="HEAD"))
    hot.answer(ask(registry, "acme/app/manifests/v1"))
    registry.app.extensions["drydock.registry"].pulls.close()
    with registry.services.database.read() as session:
        from models.tables import LogEntry  # noqa: PLC0415

        pulls = session.query(LogEntry).filter_by(kind="pull_repo").all()
    assert [(pull.performer, pull.ip, pull.detail["tag"]) for pull in pulls] == [("acme+ci", "127.0.0.1", "v1")]


def test_without_a_database_the_views_are_asked(registry: Registry, hot: HotPath) -> None:
    request = ask(registry, "acme/app/manifests/v1")
    assert hot.answer(request) is not None
    hot._reader._connection.dbapi_connection.close()
    assert hot.answer(request) is None
    assert hot.answer(request) is None  # not tried again at once


def test_a_token_that_was_never_seen_is_left_to_the_views(registry: Registry, hot: HotPath) -> None:
    headers = {"host": "localhost", "authorization": f"Bearer {registry.token('acme+ci')}"}
    assert hot.answer(HotRequest("GET", "/v2/", "", headers, "127.0.0.1")) is None


@pytest.mark.parametrize("query", ["n=", "n=1&n=2", "last=%00", "n=1&last=", "other=1"])
def test_odd_queries_are_answered_alike_or_left_to_the_views(registry: Registry, hot: HotPath, query: str) -> None:
    request = ask(registry, "acme/app/tags/list", query=query)
    answer = hot.answer(request)
    headers = {"Authorization": request.headers["authorization"]}
    view = registry.client.get(f"{request.path}?{query}", headers=headers)
    assert answer is None or (view.status_code, view.data) == (200, answer.body)
    assert hot.answer(ask(registry, "acme/app/tags/list")) is not None
