"""The action log as recorded from Quay: shape, period, pages; and that nobody reads what is not theirs."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from sqlalchemy import select

from models.log_counts import REST, count_rested
from models.pull_entries import insert_entries
from models.tables import Account, LogCount, Repository
from models.tables.base import now
from tests.factories.api import Answered, Api

ENTRY = {"kind", "metadata", "ip", "datetime", "performer"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PATHS = ("/organization/acme", "/repository/acme/app")
LOGS = {**dict.fromkeys((*PATHS, "/user"), "owner"), "/superuser": "root"}


def write(
    api: Api, kind: str, *, number: int = 1, days_ago: float = 0, performer: str | None = "owner", **more: Any
) -> None:
    """Put entries into the log of acme/app, as if they had been written then."""
    with api.database.write() as session:
        acme = session.scalars(select(Account).where(Account.name == "acme")).one()
        app = session.scalars(select(Repository).where(Repository.name == "app")).one()
        row = {"namespace_id": acme.id, "repository_id": app.id, "performer": performer, "detail": {}, **more}
        at = more.pop("at", now() - timedelta(days=days_ago))
        given = {
            "performer_id": None,
            "ip": None,
            "kind": kind,
            "moments": [(at - EPOCH) // timedelta(microseconds=1)] * number,
        }
        insert_entries(session, [{**given, **row}])


def every_page(api: Api, path: str, **rest: Any) -> list[Answered]:
    """The pages of a list, the first one first."""
    joined = "&" if "?" in path else "?"
    pages = [api.get(path, **rest)]
    while token := pages[-1].body.get("next_page"):
        pages.append(api.get(f"{path}{joined}next_page={token}", **rest))
    assert {page.status for page in pages} == {200}
    return pages


def kinds(answer: Answered) -> list[str]:
    assert answer.status == 200, answer.text
    return [entry["kind"] for entry in answer.body["logs"]]


def aggregated(answer: Answered) -> dict[tuple[str, str], int]:
    assert answer.status == 200, answer.text
    return {(entry["kind"], entry["datetime"]): entry["count"] for entry in answer.body["aggregated"]}


def test_an_entry_tells_what_was_done_by_whom_with_which_token(api: Api) -> None:
    api.put("/repository/acme/app", {"description": "new"}, by="owner", headers={"X-Forwarded-For": "203.0.113.9"})
    answer = api.get("/repository/acme/app/logs", by="owner")
    assert answer.body.keys() == {"start_time", "end_time", "logs"}
    entry = answer.body["logs"][0]
    assert entry.keys() == ENTRY
    assert (entry["kind"], entry["ip"]) == ("set_repo_description", "127.0.0.1")  # nobody trusts such a header unasked
    assert entry["performer"].keys() == {"kind", "name", "is_robot", "avatar"}
    assert (entry["performer"]["kind"], entry["performer"]["name"]) == ("user", "owner")
    assert entry["metadata"].items() >= {"namespace": "acme", "repo": "app", "description": "new"}.items()
    assert entry["metadata"]["oauth_token_application"] == "Drydock"
    assert {"oauth_token_id", "oauth_token_application_id"} <= entry["metadata"].keys()


def test_the_period_is_a_day_back_unless_days_are_given(api: Api) -> None:
    for path in (*PATHS, "/user"):
        answer = api.get(f"{path}/logs", by="owner").body
        start, end = (parsedate_to_datetime(answer[name]) for name in ("start_time", "end_time"))
        assert end - start == timedelta(days=2)
        answer = api.get(f"{path}/logs?starttime=11/13/2026&endtime=11/21/2026", by="owner").body
        assert answer["start_time"] == "Fri, 13 Nov 2026 00:00:00 -0000"
        assert answer["end_time"] == "Sun, 22 Nov 2026 00:00:00 -0000"
        zoned = api.get(f"{path}/logs?starttime=11/13/2026%20UTC&endtime=11/21/2026%20UTC", by="owner").body
        assert (zoned["start_time"], zoned["end_time"]) == (answer["start_time"], answer["end_time"])
        past = api.get(f"{path}/logs?starttime=01/01/2020&endtime=01/02/2020", by="owner").body
        assert past["logs"] == []
        assert "next_page" not in past


@pytest.mark.parametrize(
    "query",
    [
        "starttime=garbage", "endtime=2026-11-21", "endtime=13/45/2026", "starttime=01/01/0001", "endtime=12/31/9999",
        "next_page=garbage", "starttime=11/21/2026&endtime=11/13/2026",
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_name(api: Api, query: str) -> None:
    for path, by in LOGS.items():
        answers = [api.get(f"{path}/logs?{query}", by=by)]
        if "next_page" not in query:
            answers.append(api.get(f"{path}/aggregatelogs?{query}", by=by))
        for answer in answers:
            assert answer.status == 400
            assert any(name in answer.body["detail"] for name in ("starttime", "endtime", "next_page"))


def test_pages_hold_every_entry_once_in_order(api: Api) -> None:
    write(api, "create_tag", number=25)
    write(api, "delete_tag", number=25, days_ago=0.5)
    moment = now() - timedelta(days=0.2)
    write(api, "push_repo", number=30, at=moment)  # all at the same moment
    for path in PATHS:
        pages = every_page(api, f"{path}/logs", by="owner")
        assert [len(page.body["logs"]) for page in pages[:-1]] == [20] * (len(pages) - 1)
        found = [kind for page in pages for kind in kinds(page)]
        assert [found.count(kind) for kind in ("create_tag", "push_repo", "delete_tag")] == [25, 30, 25]
        times = [parsedate_to_datetime(entry["datetime"]) for page in pages for entry in page.body["logs"]]
        assert times == sorted(times, reverse=True)


def test_a_page_token_fits_its_own_list_alone(api: Api) -> None:
    write(api, "create_tag", number=25)
    token = api.get("/organization/acme/logs", by="owner").body["next_page"]
    for path in (
        "/organization/acme/logs?performer=owner&", "/organization/acme/logs?kind=create_tag&", "/user/logs?",
        "/organization/acme/logs?starttime=11/13/2026&", "/repository/acme/app/logs?",
    ):  # fmt: skip
        answer = api.get(f"{path}next_page={token}", by="owner")
        assert (answer.status, answer.body["detail"].partition(":")[0]) == (400, "next_page")


def test_entries_are_found_by_performer_kind_and_repository(api: Api) -> None:
    write(api, "push_repo", performer="acme+robot")
    write(api, "pull_repo", number=2, performer="acme+robot")
    write(api, "pull_repo", performer="gone")
    for path in PATHS:
        assert kinds(api.get(f"{path}/logs?performer=acme%2Brobot", by="owner")) == ["pull_repo"] * 2 + ["push_repo"]
        assert kinds(api.get(f"{path}/logs?performer=nobody", by="owner")) == []
        assert kinds(api.get(f"{path}/logs?kind=push_repo", by="owner")) == ["push_repo"]
        assert kinds(api.get(f"{path}/logs?kind=pull_repo&performer=gone", by="owner")) == ["pull_repo"]
    repository = kinds(api.get("/organization/acme/logs?repository=app&performer=owner", by="owner"))
    assert "create_repo" in repository
    assert "org_create" not in repository
    assert api.get("/organization/acme/logs?repository=none", by="owner").status == 400
    entry = api.get("/organization/acme/logs?performer=gone", by="owner").body["logs"][0]
    assert (entry["performer"]["name"], entry["performer"]["avatar"]["kind"]) == ("gone", "user")
    robot = api.get("/organization/acme/logs?performer=acme%2Brobot", by="owner").body["logs"][0]["performer"]
    assert (robot["kind"], robot["is_robot"], robot["avatar"]["kind"]) == ("user", True, "robot")


def test_who_has_no_name_is_not_shown(api: Api) -> None:
    write(api, "pull_repo", performer=None)
    assert api.get("/repository/acme/app/logs", by="owner").body["logs"][0].keys() == ENTRY - {"performer"}


def test_superusers_read_everything_and_see_where(api: Api) -> None:
    write(api, "pull_repo")
    entries = api.get("/superuser/logs?kind=pull_repo", by="root").body["logs"]
    assert [entry.keys() for entry in entries] == [ENTRY | {"namespace"}]
    assert (entries[0]["namespace"]["kind"], entries[0]["namespace"]["name"]) == ("org", "acme")
    created = every_page(api, "/superuser/logs?kind=user_create", by="root")
    assert {entry["namespace"]["kind"] for page in created for entry in page.body["logs"]} == {"user"}
    assert "org_create" in kinds(api.get("/superuser/logs?namespace=acme&page=2", by="root"))
    assert api.get("/superuser/logs?namespace=none", by="root").status == 400
    assert api.get("/superuser/logs", by="owner").status == 403


def test_a_users_log_is_about_the_user_alone(api: Api) -> None:
    api.put("/user/robots/bot", {}, by="stranger")
    assert {"user_create", "create_robot"} <= set(kinds(api.get("/user/logs", by="stranger")))
    assert "create_robot" not in kinds(api.get("/user/logs", by="owner"))
    with api.database.write() as session:
        stranger = session.scalars(select(Account).where(Account.name == "stranger")).one()
    write(api, "service_key_create", namespace_id=stranger.id, repository_id=None)
    assert "service_key_create" not in kinds(api.get("/user/logs", by="stranger"))
    assert "service_key_create" not in api.get("/user/aggregatelogs", by="stranger").text


def test_the_log_of_a_repository_does_not_go_to_the_next_of_its_name(api: Api) -> None:
    write(api, "pull_repo")
    api.delete("/repository/acme/app", by="owner")
    api.post("/repository", {"namespace": "acme", "repository": "app"}, by="owner")
    assert kinds(api.get("/repository/acme/app/logs", by="owner")) == ["create_repo"]
    assert "pull_repo" in kinds(api.get("/organization/acme/logs", by="owner"))


@pytest.mark.parametrize("counted", [False, True])
def test_counts_are_the_same_before_and_after_they_have_come_to_rest(api: Api, counted: bool) -> None:
    today = now().date()
    midnights = [f"{today - timedelta(days=ago):%a, %d %b %Y} 00:00:00 -0000" for ago in range(3)]
    write(api, "pull_repo", number=5, at=now())
    write(api, "pull_repo", number=4, performer="acme+robot", days_ago=1)
    write(api, "push_repo", number=3, days_ago=1)
    if counted:
        count_rested(api.database)
        with api.database.read() as session:
            assert session.scalars(select(LogCount.number).where(LogCount.subject == "all")).all() == [4, 3]
        write(api, "pull_repo", number=2, days_ago=1)  # later than others of their time were counted
        write(api, "pull_repo", number=1, performer="acme+robot", days_ago=2)
    else:
        write(api, "pull_repo", number=2, days_ago=1)
        write(api, "pull_repo", number=1, performer="acme+robot", days_ago=2)
    period = f"starttime={today - timedelta(days=2):%m/%d/%Y}&endtime={today:%m/%d/%Y}"
    expected = {
        ("pull_repo", midnights[0]): 5,
        ("pull_repo", midnights[1]): 6,
        ("push_repo", midnights[1]): 3,
        ("pull_repo", midnights[2]): 1,
    }
    for path in (*PATHS, "/superuser"):
        found = aggregated(api.get(f"{path}/aggregatelogs?{period}", by=LOGS[path]))
        assert {key: number for key, number in found.items() if key[0] in ("pull_repo", "push_repo")} == expected
    by_robot = aggregated(api.get(f"/organization/acme/aggregatelogs?{period}&performer=acme%2Brobot", by="owner"))
    assert by_robot == {("pull_repo", midnights[1]): 4, ("pull_repo", midnights[2]): 1}
    by_owner = aggregated(api.get(f"/organization/acme/aggregatelogs?{period}&performer=owner", by="owner"))
    assert by_owner.items() >= {("pull_repo", midnights[0]): 5, ("pull_repo", midnights[1]): 2}.items()
    yesterday = aggregated(api.get("/repository/acme/app/aggregatelogs", by="owner"))
    assert yesterday.items() >= {("pull_repo", midnights[0]): 5, ("pull_repo", midnights[1]): 6}.items()
    assert midnights[2] not in {day for _, day in yesterday}


def test_entries_wait_until_they_rest_and_are_counted_once(api: Api) -> None:
    write(api, "pull_repo", number=3, at=now() - REST - timedelta(seconds=1))
    write(api, "pull_repo", number=2, at=now() - REST + timedelta(seconds=60))
    for _ in range(2):
        count_rested(api.database)
    with api.database.read() as session:
        counted = session.execute(select(LogCount.subject, LogCount.number)).all()
    assert sorted(map(tuple, counted)) == [("all", 3), ("namespace", 3), ("repository", 3)]


def test_a_year_is_counted_at_most(api: Api) -> None:
    assert api.get("/user/aggregatelogs?starttime=01/01/2026&endtime=12/31/2026", by="owner").status == 200
    answer = api.get("/user/aggregatelogs?starttime=01/01/2020&endtime=12/31/2026", by="owner")
    assert (answer.status, answer.body["detail"].partition(":")[0]) == (400, "starttime")


def test_a_hidden_log_is_as_one_that_does_not_exist(api: Api) -> None:
    for end in ("logs", "aggregatelogs"):
        for hidden, absent in (
            ("/organization/acme", "/organization/nosuchorg"),
            ("/repository/acme/app", "/repository/nosuchorg/app"),
            ("/repository/acme/app", "/repository/acme/none"),
        ):
            there, not_there = (api.get(f"{path}/{end}", by="stranger") for path in (hidden, absent))
            assert (there.status, there.body) == (not_there.status, not_there.body) == (403, there.body)
        assert api.get(f"/repository/acme/none/{end}", by="owner").status == 404
        assert api.get(f"/repository/acme/app/{end}", by="writer").status == 403
        assert api.get(f"/repository/acme/public/{end}", by="stranger").status == 403
