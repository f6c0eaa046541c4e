"""Nobody gets more rights by means of the rights it has: not a token of few scopes, nor whoever may only write."""

from typing import Any

import pytest

from models.scopes import SCOPES
from tests.factories.accounts import ALL_SCOPES
from tests.factories.api import Api

ROBOT = "/organization/acme/robots/robot"


@pytest.mark.parametrize("scope", [*SCOPES, "user:admin repo:admin", ALL_SCOPES.replace("repo:create", "")])
def test_a_token_cannot_make_or_see_a_password_that_may_more(api: Api, scope: str) -> None:
    assert api.post("/user/apptoken", {"title": "more"}, by="owner", scopes=scope).status == 403
    token = api.post("/user/apptoken", {"title": "all"}, by="owner").body["token"]
    assert api.get(f"/user/apptoken/{token['uuid']}", by="owner", scopes=scope).status == 403
    assert token["token_code"] not in api.get("/user/apptoken", by="owner", scopes=scope).text


def test_a_superusers_token_that_is_none_cannot_either(api: Api) -> None:
    less = ALL_SCOPES.replace("super:user", "")
    assert api.post("/user/apptoken", {"title": "all"}, by="owner", scopes=less).status == 200
    assert api.post("/user/apptoken", {"title": "more"}, by="root", scopes=less).status == 403


@pytest.mark.parametrize("scope", ["repo:read", "user:admin", "org:admin", "super:user repo:admin"])
def test_a_token_cannot_make_a_token_of_other_scopes(api: Api, scope: str) -> None:
    body = {"friendlyName": "more", "scope": ALL_SCOPES}
    path = "/organization/acme/applications/THEAPPLICATIONOFACME/tokens"
    assert api.post(path, body, by="owner", scopes=scope).status == 403


@pytest.mark.parametrize("body", [{"password": "a new password"}, {"email": "other@example.com"}])
def test_a_token_cannot_change_by_what_its_user_signs_in(api: Api, body: dict[str, str]) -> None:
    for scope in ("user:admin", ALL_SCOPES):
        assert api.put("/user/", body, by="owner", scopes=scope).status == 403


@pytest.mark.parametrize(
    ("by", "method", "path", "body"),
    [
        ("writer", "PUT", "/repository/acme/app/permissions/user/writer", {"role": "admin"}),
        ("reader", "PUT", "/repository/acme/app/permissions/user/reader", {"role": "write"}),
        ("repo-admin", "PUT", "/organization/acme/team/owners/members/repo-admin", None),
        ("creator", "PUT", "/organization/acme/team/creators", {"role": "admin"}),
        ("creator", "POST", "/organization/acme/prototypes", {"role": "admin", "delegate": {"kind": "team"}}),
        ("member", "PUT", "/organization/acme/team/owners/members/member", None),
        ("member", "GET", ROBOT, None),
        ("repo-admin", "GET", ROBOT, None),
        ("repo-admin", "POST", f"{ROBOT}/regenerate", None),
        ("root", "PUT", "/organization/acme/team/owners/members/root", None),
        ("root", "GET", ROBOT, None),
        ("owner", "POST", "/superuser/takeownership/root", None),
        ("owner", "PUT", "/superuser/users/stranger", {"password": "a new password"}),
    ],
)
def test_nobody_promotes_itself(api: Api, by: str, method: str, path: str, body: Any) -> None:
    assert api.call(method, path, json=body, by=by).status == 403


def test_a_build_does_not_lend_the_rights_of_a_robot(api: Api) -> None:
    body = {"archive_url": "https://example.com/a.tar", "pull_robot": "acme+robot"}
    for by, scopes in (("writer", ALL_SCOPES), ("repo-admin", ALL_SCOPES), ("owner", "repo:admin")):
        assert api.post("/repository/acme/app/build/", body, by=by, scopes=scopes).status == 403
