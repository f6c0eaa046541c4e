"""The hot reads beside the views: one request, asked of both."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.hot import HotReads
from api.v1.errors import ALWAYS, USUALLY
from registry.v2.hot import HotAnswer, HotRequest
from tests.factories.api import Answered, Api

ALWAYS_OF_THE_SERVER = {"Content-Length", "Connection", "Date"}
PATHS = (
    "/user/",
    "/organization/acme",
    "/repository/acme/app",
    "/repository/acme/app?includeTags=false",
    "/repository/acme/app/tag/",
    "/repository/acme/app/tag/?limit=1&onlyActiveTags=true",
    "/repository/acme/app/tag/?limit=1&limit=2",
    "/repository/acme/public",
    "/repository/acme/public/tag/",
)


class Hot:
    """Asks the hot reads of an application with the token that somebody has for its views."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.reads = HotReads(api.app, {**ALWAYS, **USUALLY})

    def ask(self, path: str, *, by: str, method: str = "GET", token: str | None = None) -> HotAnswer | None:
        path, _, query = f"/api/v1{path}".partition("?")
        headers = {"host": "localhost", "authorization": f"Bearer {token or self._api.token(by)}"}
        return self.reads.answer(HotRequest(method, path, query, headers, "127.0.0.1"))

    def both(self, path: str, *, by: str) -> tuple[HotAnswer | None, Answered]:
        """The view's answer after the other's; it is asked before, too, so that the token's use has been noted."""
        self._api.get(path, by=by)
        return self.ask(path, by=by), self._api.get(path, by=by)


@contextmanager
def hot_reads(api: Api) -> Iterator[Hot]:
    hot = Hot(api)
    try:
        yield hot
    finally:
        hot.reads.close()


def assert_same(answer: HotAnswer | None, view: Answered) -> None:
    """What the view says, or nothing if that is no success."""
    if view.status != 200:
        assert answer is None, view.text
        return
    assert answer is not None
    assert answer.status == "200 OK"
    assert (answer.body.decode(), answer.length) == (view.text, len(answer.body))
    assert answer.headers == {name: value for name, value in view.headers if name not in ALWAYS_OF_THE_SERVER}
