"""No operation asks the database more often because there is more to show: every GET, with little and with much."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from api import v1
from api.v1 import build_logs
from tests.factories.answers import counted
from tests.factories.api import Api, make_app, make_services
from tests.factories.database import make_database
from tests.factories.growing import APP, Growing
from tests.factories.world import CLIENT_ID

GETS = {op.name: url for section in v1.SECTIONS for verb, url, op in section.operations if verb == "get"}
QUERIES = {
    "conductRepoSearch": "?query=more&includeUsage=true",
    "conductSearch": "?query=more",
    "getMatchingEntities": "?namespace=acme&includeTeams=true",
    "getOrganizationTeamMembers": "?includePending=true",
    "getOrgRobots": "?permissions=true",
    "getRepo": "?includeStats=true",
    "getUserRobots": "?permissions=true",
    "listRepos": "?namespace=acme&last_modified=true&popularity=true",
    "listUserNotifications": "?limit=100",
}
NAMES = {
    "client_id": CLIENT_ID,
    "email": "guest@example.com",
    "error_type": "not_found",
    "membername": "more0",
    "namespace": "owner",
    "orgname": "acme",
    "prefix": "more",
    "repository": "acme/app",
    "robot_shortname": "more0",
    "tag": "latest",
    "teamname": "members",
    "username": "more0",
}
IDS = {
    "access_token_uuid": ("/user/authorizations", "authorizations", "uuid"),
    "build_uuid": (f"{APP}/build/", "builds", "id"),
    "code": (f"{APP}/tokens/", "tokens", "code"),
    "image_id": (f"{APP}/image/", "images", "id"),
    "labelid": (f"{APP}/manifest/{{digest}}/labels", "labels", "id"),
    "trigger_uuid": (f"{APP}/trigger/", "triggers", "id"),
}
"""Where the first id is found: the path, the list in the answer, the name of the id."""

SEARCHES = {"conductRepoSearch", "conductSearch"}
"""They ask once less for what they find enough of."""
LISTS = 38
"""How many operations show more when there is more, at least."""


class Seen(NamedTuple):
    status: int
    length: int
    statements: list[str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Seen, Seen]]]:
    """What each GET answers, and with how many statements, in a small company and in one that has grown."""
    database = make_database(tmp_path_factory.mktemp("growing"))
    company = Growing(Api(make_app(make_services(database, tmp_path_factory.mktemp("data")))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_logs, "LONGEST_STREAM_S", 0)  # the build waits for ever
        company.grow(2)
        before = look_at_all(company)
        company.grow(4)
        after = look_at_all(company)
    yield {name: (before[name], after[name]) for name in GETS}
    database.dispose()


def look_at_all(company: Growing) -> dict[str, Seen]:
    def first(path: str, key: str, field: str) -> str:
        answer = company.api.get(path.format(digest=company.digest), by="owner")
        found = answer.body[key]
        return str((next(iter(found.values())) if isinstance(found, dict) else found[0])[field])

    ids = {parameter: first(*where) for parameter, where in IDS.items()}
    digest = company.digest
    values = NAMES | ids | {"manifestref": digest, "imageid": digest.partition(":")[2]}
    looked = {}
    for name, url in GETS.items():
        if "<uuid>" in url:
            listing = (
                url.partition("<uuid>")[0].replace("<orgname>", "acme").replace("<repopath:repository>", "acme/app")
            )
            field = "id" if name == "getUserNotification" else "uuid"
            values["uuid"] = first(listing if "/repository/" in url else listing.rstrip("/"), "notifications", field)
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values.get(match[1], "none"), url)
        looked[name] = look(company.api, path + QUERIES.get(name, ""))
    return looked


def look(api: Api, path: str) -> Seen:
    with counted(api) as statements:
        answer = api.get(path, by="root" if "/superuser/" in path else "owner")
    return Seen(answer.status, len(answer.text), list(statements))


@pytest.mark.parametrize("name", GETS)
def test_what_is_asked_does_not_grow_with_the_answer(seen: dict[str, tuple[Seen, Seen]], name: str) -> None:
    before, after = seen[name]
    assert before.status == after.status
    spared = len(before.statements) - len(after.statements)
    assert spared in ({0, 1} if name in SEARCHES else {0}), "\n".join(after.statements)


def test_most_lists_have_grown(seen: dict[str, tuple[Seen, Seen]]) -> None:
    assert sum(after.length > before.length for before, after in seen.values()) >= LISTS
