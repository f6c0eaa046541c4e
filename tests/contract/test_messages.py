"""Messages to everybody."""

from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.api import Api

E = Exchange
TEXT = {"content": "Down on Sunday", "media_type": "text/plain", "severity": "info"}
SCRIPT = [
    E("GET", "/messages", 200, {"messages"}, by=None),
    E("GET", "/messages", 200, {"messages"}),
    E("POST", "/messages", 201, None, {"message": TEXT}, by="root"),
    E("POST", "/messages", 400, PROBLEM, {"message": {"content": "x"}}, by="root"),
    E("POST", "/messages", 400, PROBLEM, {"message": TEXT | {"media_type": "text/html"}}, by="root"),
    E("POST", "/messages", 400, PROBLEM, {"message": TEXT | {"severity": "fatal"}}, by="root"),
    E("POST", "/messages", 400, PROBLEM, {"message": "x"}, by="root"),
    E("POST", "/messages", 400, PROBLEM, {}, by="root", better=True),
    E("POST", "/messages", 415, PROBLEM, by="root"),
    E("POST", "/messages", 403, PROBLEM, {"message": TEXT}),
    E("POST", "/messages", 401, PROBLEM, {"message": TEXT}, by=None),
    E("DELETE", "/message/nosuchmessage", 403, PROBLEM),
    E("DELETE", "/message/nosuchmessage", 204, by="root"),
]


def test_exchanges_are_as_recorded(api: Api) -> None:
    play(api, SCRIPT)


def test_everybody_sees_a_message_until_it_is_deleted(api: Api) -> None:
    assert api.post("/messages", {"message": TEXT}, by="root").text == ""
    api.post(
        "/messages", {"message": {"content": "**Up**", "media_type": "text/markdown", "severity": "error"}}, by="root"
    )
    newer, older = api.get("/messages").body["messages"]
    assert {**older, "uuid": ""} == {**TEXT, "uuid": ""}
    assert (newer["content"], newer["media_type"], newer["severity"]) == ("**Up**", "text/markdown", "error")
    assert api.delete(f"/message/{newer['uuid']}", by="root").status == 204
    assert api.get("/messages", by="stranger").body["messages"] == [older]


def test_a_superuser_needs_the_scope(api: Api) -> None:
    assert api.post("/messages", {"message": TEXT}, by="root", scopes="org:admin user:admin").status == 403
