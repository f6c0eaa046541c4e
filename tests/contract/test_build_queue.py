"""What superusers set about the queue of builds, and what others see of it."""

from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.api import Api

BUILDS = "/repository/acme/app/build/"
SHARE = "/superuser/namespaces/acme/builds"
URL = "https://example.com/archive.tar.gz"
KEYS = {"max_running", "priority"}
E = Exchange
SCRIPT = [
    E("GET", SHARE, 200, KEYS, by="root"),
    E("GET", SHARE, 403, PROBLEM),
    E("GET", SHARE, 401, PROBLEM, by=None),
    E("GET", "/superuser/namespaces/nosuch/builds", 404, PROBLEM, by="root"),
    E("PUT", SHARE, 200, KEYS, {"max_running": 2, "priority": 5}, by="root"),
    E("PUT", SHARE, 200, KEYS, {}, by="root"),
    E("PUT", SHARE, 400, PROBLEM, {"max_running": -1}, by="root"),
    E("PUT", SHARE, 400, PROBLEM, {"priority": 1001}, by="root"),
    E("PUT", SHARE, 403, PROBLEM, {"max_running": 2}),
    E("PUT", "/superuser/nosuchbuild/build", 404, PROBLEM, {"priority": 1}, by="root"),
    E("PUT", "/superuser/nosuchbuild/build", 400, PROBLEM, {"priority": "high"}, by="root"),
    E("PUT", "/superuser/nosuchbuild/build", 403, PROBLEM, {"priority": 1}),
]


def ask(api: Api) -> str:
    answer = api.post(BUILDS, {"archive_url": URL}, by="owner")
    assert answer.status == 201, answer.text
    return str(answer.body["id"])


def test_answers_are_as_described(api: Api) -> None:
    play(api, SCRIPT)


def test_what_is_set_is_shown_and_kept(api: Api) -> None:
    for share in ({"max_running": 1, "priority": 7}, {"max_running": None, "priority": 0}):
        assert api.put(SHARE, share, by="root").body == share
        assert api.get(SHARE, by="root").body == share


def test_builds_of_a_namespace_have_its_priority_until_they_get_another(api: Api) -> None:
    first = ask(api)
    api.put(SHARE, {"priority": 7}, by="root")
    second = ask(api)
    queues = [api.get(f"{BUILDS}{uuid}", by="reader").body["queue"] for uuid in (first, second)]
    assert [(queue["position"], queue["priority"]) for queue in queues] == [(1, 7), (2, 7)]
    shown = api.put(f"/superuser/{second}/build", {"priority": 8}, by="root").body
    assert (shown["id"], shown["queue"]["position"], shown["queue"]["priority"]) == (second, 1, 8)
    listed = {build["id"]: build["queue"]["position"] for build in api.get(BUILDS, by="owner").body["builds"]}
    assert listed == {first: 2, second: 1}


def test_what_superusers_set_is_on_record(api: Api) -> None:
    uuid = ask(api)
    api.put(SHARE, {"max_running": 2, "priority": 7}, by="root")
    api.put(f"/superuser/{uuid}/build", {"priority": 8}, by="root")
    assert api.put(f"/superuser/{uuid}/build", {"priority": 8000}, by="root").status == 400
    assert api.put(SHARE, {"priority": 1}, by="owner").status == 403
    build = {"namespace": "acme", "repo": "app", "build_id": uuid, "priority": 8, "old_priority": 7}
    assert api.logged("change_namespace_builds", "change_build_priority") == [
        ("change_namespace_builds", "root", {"namespace": "acme", "max_running": 2, "priority": 7}),
        ("change_build_priority", "root", build),
    ]


def test_a_build_that_does_not_wait_has_no_place(api: Api) -> None:
    uuid = ask(api)
    api.delete(f"{BUILDS}{uuid}", by="owner")
    assert api.get(f"{BUILDS}{uuid}", by="owner").body["queue"] is None
