"""The glue: what a declaration must have, and what every request goes through."""

from collections.abc import Callable
from typing import Literal

import pytest
from flask import Blueprint, Flask
from psycopg.errors import DeadlockDetected
from pydantic import Field
from sqlalchemy import delete
from sqlalchemy.exc import OperationalError

from api.endpoint import Answer, Body, Query, Resource, Section, View, operation
from api.rules import anyone, org_admin, user_admin
from api.swagger import SwaggerApi
from api.v1.errors import answer_error
from models.audit import record
from models.errors import Invalid, TooMany, Upstream
from models.tables import Account, LogEntry, Organization, User
from registry.services import Services
from tests.factories.accounts import make_user
from tests.factories.api import Api


class Collar(Body):
    size: int


class Pet(Body):
    name: str = Field(max_length=5)
    kind: Literal["cat", "dog"] = "cat"
    legs: int | None = Field(None, ge=0)
    collar: Collar | None = None


class PetView(View):
    name: str
    home: str = "here"


class PetQuery(Query):
    hungry: bool = True
    page: int = Field(1, ge=1)
    name: str | None = None


section = Section("pet", "Pets.")


@section.at("/pets/")
class Pets(Resource):
    @operation("listPets", allow=anyone)
    def get(self, query: PetQuery) -> list[PetView]:
        """List pets."""
        return [PetView(name=f"{query.page} {query.hungry} {query.name}")]

    @operation("createPet", allow=user_admin, status=201)
    def post(self, user: User, body: Pet) -> Answer[PetView]:
        """Create a pet."""
        record(self.session, "pet", actor=self.caller, namespace=user)
        if body.name == "bad":
            raise Invalid("name: no pet may be called bad")
        return Answer(PetView(name=body.name), headers={"Location": f"/pets/{body.name}"})

    @operation("feedPets", allow=anyone)
    def put(self, body: Pet | None) -> str:
        """Feed all pets, or one."""
        return body.name if body else "all"

    @operation("losePets", allow=anyone)
    def delete(self) -> None:
        """Lose all pets."""


@section.at("/trouble/<kind>")
class Trouble(Resource):
    @operation("makeTrouble", allow=anyone)
    def get(self, kind: str) -> str:
        """Fail in one of many ways."""
        troubles: dict[str, Callable[[], None]] = {
            "wait": self.wait,
            "upstream": self.upstream,
            "database": self.database,
            "gone": self.gone,
            "removed": self.removed,
            "deadlock": self.deadlock,
            "bug": self.bug,
        }
        troubles[kind]()
        return "none"

    def wait(self) -> None:
        raise TooMany("slower", retry_after=7)

    def upstream(self) -> None:
        raise Upstream("the engine is away")

    def database(self) -> None:
        raise OperationalError("SELECT", {}, ConnectionError("nowhere"))

    def gone(self) -> None:
        self.session.refresh(self.robbed())

    def removed(self) -> None:
        self.robbed().company = "Acme"
        self.session.flush()

    def robbed(self) -> User:
        """A user whose row is gone, unknown to the session."""
        user = make_user(self.session, "shortly")
        self.session.run(delete(Account).where(Account.id == user.id))
        return user

    def deadlock(self) -> None:
        raise OperationalError("UPDATE", {}, DeadlockDetected("both wait"))

    def bug(self) -> None:
        raise ValueError("a secret detail")


@pytest.fixture(scope="module")
def app(services: Services) -> Flask:
    app = Flask("pets")
    app.extensions["drydock"] = services
    surface = Blueprint("pets", __name__, url_prefix="/api/v1")
    SwaggerApi(surface, title="Pets", document="/nowhere", on_error=answer_error).add_namespace(section)
    app.register_blueprint(surface)
    return app


def test_a_query_is_parsed_with_defaults(api: Api) -> None:
    assert api.get("/pets/").body == [{"name": "1 True None", "home": "here"}]
    assert api.get("/pets/?hungry=False&page=3&name=Tom&unknown=1").body == [{"name": "3 False Tom", "home": "here"}]


@pytest.mark.parametrize("query", ["hungry=", "hungry=null", "hungry=&name="])
def test_an_empty_parameter_is_false_or_none(api: Api, query: str) -> None:
    assert api.get(f"/pets/?{query}").body == [{"name": "1 False None", "home": "here"}]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("page=x", "page: expected a whole number, got 'x'"),
        ("page=0", "page: expected at least 1, got '0'"),
        ("page=", "page: expected a whole number, got ''"),
        ("hungry=maybe", "hungry: expected true or false, got 'maybe'"),
        ("page=%00", "query string: the NUL character is not allowed"),
    ],
)
def test_a_bad_query_is_told_precisely(api: Api, query: str, told: str) -> None:
    answer = api.get(f"/pets/?{query}")
    assert (answer.status, answer.body["detail"]) == (400, told)
    name = query.partition("=")[0]
    assert answer.body["message"] == ({name: told} if told.startswith(name) else told)


def test_an_answer_may_have_headers(api: Api) -> None:
    answer = api.post("/pets/", {"name": "Tom"}, by="owner")
    assert (answer.status, answer.headers["Location"]) == (201, "/pets/Tom")
    assert answer.body == {"name": "Tom", "home": "here"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "name: this field is required"),
        ([], "body: expected an object, got a list"),
        ({"name": 5}, "name: expected a string, got 5"),
        ({"name": None}, "name: expected a string, got null"),
        ({"name": "Thomas"}, "name: expected at most 5 characters, got 'Thomas'"),
        ({"name": "Tom", "kind": "cow"}, "kind: expected one of 'cat' or 'dog', got 'cow'"),
        ({"name": "Tom", "legs": "4"}, "legs: expected a whole number, got '4'"),
        ({"name": "Tom", "legs": -1}, "legs: expected at least 0, got -1"),
        ({"name": "Tom", "tail": 1}, "tail: there is no such field"),
        ({"name": "Tom", "collar": {"size": 1, "bell": 2}}, "collar.bell: there is no such field"),
        ({"name": "T\0"}, "body: the NUL character is not allowed"),
        ({"name": "Tom", "legs": float("inf")}, "body: NaN and infinite numbers are not allowed"),
        ({"name": ["Tom", float("nan")]}, "body: NaN and infinite numbers are not allowed"),
        ({"legs": True, "kind": {}}, "name: this field is required; "),
    ],
)
def test_a_bad_body_is_told_precisely(api: Api, body: object, told: str) -> None:
    answer = api.post("/pets/", body, by="owner")
    assert answer.status == 400
    assert answer.body["detail"].startswith(told)
    assert answer.body.keys() == {"message", "detail", "error_message", "error_type", "title", "type", "status"}
    assert answer.body["type"] == "http://localhost:8080/api/v1/error/invalid_request"


def test_fields_that_were_shown_may_be_sent_back(api: Api) -> None:
    assert api.post("/pets/", {"name": "Tom", "home": 1}, by="owner").body == {"name": "Tom", "home": "here"}
    for field in ({"legs": "4"}, {"tail": 1}, {"collar": {"size": 1, "home": 2}}):
        answer = api.post("/pets/", {"name": "Tom", "home": 1, **field}, by="owner")
        assert answer.status == 400
        assert not {"home"} & {part.partition(":")[0] for part in answer.body["detail"].split("; ")}


def test_malformed_json_says_where(api: Api) -> None:
    answer = api.call("POST", "/pets/", by="owner", data="{x", content_type="application/json")
    assert answer.status == 400
    assert "not valid JSON" in answer.body["detail"]
    assert "column 2" in answer.body["detail"]


def test_a_body_that_is_not_json_is_refused(api: Api) -> None:
    assert api.call("POST", "/pets/", by="owner").status == 415
    answer = api.call("POST", "/pets/", by="owner", data="name=Tom", content_type="text/plain")
    assert (answer.status, answer.body["error_type"]) == (415, "unsupported_media_type")


def test_a_large_body_is_refused(api: Api) -> None:
    answer = api.call("POST", "/pets/", by="owner", data=b" " * (1024 * 1024 + 1), content_type="application/json")
    assert (answer.status, answer.body["error_type"]) == (413, "request_too_large")


def test_a_body_may_be_optional(api: Api) -> None:
    assert api.call("PUT", "/pets/").body == "all"
    assert api.put("/pets/", {"name": "Tom"}).body == "Tom"
    assert api.put("/pets/", {"name": 1}).status == 400


def test_authorization_comes_before_the_body(api: Api) -> None:
    assert api.post("/pets/", {"name": 5}).status == 401
    assert api.post("/pets/", {"name": 5}, by="owner", scopes="repo:read").status == 403


def test_a_refused_change_leaves_nothing(api: Api) -> None:
    assert api.post("/pets/", {"name": "bad"}, by="owner").status == 400
    api.post("/pets/", {"name": "Tom"}, by="owner")
    with api.database.read() as session:
        assert session.query(LogEntry).filter_by(kind="pet").count() == 1


def test_no_content_has_no_body(api: Api) -> None:
    answer = api.delete("/pets/")
    assert (answer.status, answer.text, answer.headers.get("Content-Type")) == (204, "", None)


def test_head_and_options_work(api: Api) -> None:
    head = api.call("HEAD", "/pets/")
    assert (head.status, head.text) == (200, "")
    options = api.call("OPTIONS", "/pets/")
    assert options.status == 200
    assert "POST" in options.headers["Allow"]


def test_other_methods_and_paths_are_problems(api: Api) -> None:
    answer = api.call("PATCH", "/pets/")
    assert (answer.status, answer.body["error_type"]) == (405, "method_not_allowed")
    assert "DELETE" in answer.headers["Allow"]
    answer = api.get("/nothing")
    assert (answer.status, answer.body["error_type"]) == (404, "not_found")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_missing_slash_redirects(api: Api) -> None:
    answer = api.call("POST", "/pets")
    assert answer.status == 308
    assert answer.headers["Location"].endswith("/api/v1/pets/")


@pytest.mark.parametrize(
    ("kind", "status", "error_type"),
    [
        ("wait", 429, "too_many_requests"),
        ("upstream", 503, "downstream_issue"),
        ("database", 503, "downstream_issue"),
        ("gone", 400, "invalid_request"),
        ("removed", 400, "invalid_request"),
        ("deadlock", 400, "invalid_request"),
        ("bug", 500, "internal_error"),
    ],
)
def test_trouble_has_its_status_and_tells_no_secret(api: Api, kind: str, status: int, error_type: str) -> None:
    answer = api.get(f"/trouble/{kind}")
    assert (answer.status, answer.body["error_type"]) == (status, error_type)
    assert "secret" not in answer.text
    assert "nowhere" not in answer.text
    assert answer.headers.get("Retry-After") == ("7" if kind == "wait" else None)


def test_nul_in_a_path_is_refused(api: Api) -> None:
    assert api.get("/trouble/%00").status == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"User-Agent": "Mozilla/5.0 (X11)"}, 400),
        ({"User-Agent": "Mozilla/5.0 (X11)", "X-Requested-With": "XMLHttpRequest"}, 200),
        ({"User-Agent": "curl/8"}, 200),
        ({}, 200),
    ],
)
def test_browsers_must_say_that_a_script_calls(api: Api, headers: dict[str, str], status: int) -> None:
    assert api.get("/pets/", headers=headers).status == status


def test_a_token_in_a_browser_is_enough(api: Api) -> None:
    assert api.get("/pets/", by="owner", headers={"User-Agent": "Mozilla/5.0 (X11)"}).status == 200


class TestDeclarations:
    """What is not fully declared fails at import."""

    @pytest.fixture
    def section(self) -> Section:
        return Section("broken", None)

    def test_a_bare_method_is_refused(self, section: Section) -> None:
        with pytest.raises(TypeError, match="not declared with @operation"):

            @section.at("/x")
            class Bare(Resource):
                def get(self) -> str:
                    return ""

    def test_a_missing_parameter_is_refused(self, section: Section) -> None:
        with pytest.raises(TypeError, match="gives"):

            @section.at("/x/<orgname>/<teamname>")
            class Missing(Resource):
                @operation("x", allow=org_admin)
                def get(self, organization: Organization) -> str:
                    """Lacks teamname."""
                    return ""

    def test_a_rule_without_its_url_parameter_is_refused(self, section: Section) -> None:
        with pytest.raises(TypeError, match="needs"):

            @section.at("/x")
            class Unrelated(Resource):
                @operation("x", allow=org_admin)
                def get(self, organization: Organization) -> str:
                    """Has no orgname to find it by."""
                    return ""

    def test_an_operation_without_description_is_refused(self, section: Section) -> None:
        with pytest.raises(TypeError, match="docstring"):

            @section.at("/x")
            class Silent(Resource):
                @operation("x", allow=anyone)
                def get(self) -> str:
                    return ""
