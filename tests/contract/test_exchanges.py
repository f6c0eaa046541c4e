"""Answers as recorded from Quay servers, by status and shape; `better` marks where DECISIONS.md departs from them."""

from typing import Any, NamedTuple

import pytest

from tests.factories.api import Api


class Exchange(NamedTuple):
    """A call and what has to come back: the status, and the keys that the answer has at least, or all of a text."""

    method: str
    path: str
    status: int
    answer: set[str] | str | None = None
    body: Any = None
    by: str | None = "owner"
    better: bool = False


PROBLEM = {"detail", "error_message", "error_type", "title", "type", "status"}
ROBOT = {"name", "created", "last_accessed", "description", "token"}
ONE_ROBOT = ROBOT | {"unstructured_metadata"}
MEMBER = {"name", "kind", "is_robot", "avatar", "invited"}
USER_PERMISSION = {"role", "name", "is_robot", "avatar", "is_org_member"}
INSTALL_USER = {
    "kind", "name", "username", "email", "verified", "avatar", "super_user", "global_readonly_super_user", "enabled",
}  # fmt: skip
OWN_USER = {
    "anonymous", "username", "avatar", "can_create_repo", "is_me", "verified", "email", "logins", "invoice_email",
    "invoice_email_address", "preferred_namespace", "tag_expiration_s", "prompts", "company", "family_name",
    "given_name", "location", "is_free_account", "has_password_set", "organizations",
}  # fmt: skip
ORGANIZATION = {"name", "email", "avatar", "is_admin", "is_member"}
OWN_ORGANIZATION = ORGANIZATION | {
    "teams", "ordered_teams", "invoice_email", "invoice_email_address", "tag_expiration_s", "is_free_account",
}  # fmt: skip
REPOSITORY = {
    "namespace", "name", "kind", "description", "is_public", "is_organization", "is_starred", "status_token",
    "trust_enabled", "tag_expiration_s", "is_free_account", "state", "can_write", "can_admin",
}  # fmt: skip

E = Exchange
SCRIPTS: dict[str, list[Exchange]] = {
    "user": [
        E("GET", "/user/", 200, OWN_USER),
        E("GET", "/user/", 200, OWN_USER | {"super_user"}, by="root"),
        E("GET", "/user/", 401, PROBLEM | {"session_required"}, by=None),
        E("GET", "/user", 308),
    ],
    "organization": [
        E("POST", "/organization/", 201, "Created", {"name": "neworg", "email": "new@example.com"}),
        E("POST", "/organization/", 201, "Created", {"name": "plain"}, by="stranger"),
        E("POST", "/organization/", 400, PROBLEM, {"name": "neworg", "email": "other@example.com"}),
        E("POST", "/organization/", 400, PROBLEM, {"name": "owner", "email": "other@example.com"}),
        E("POST", "/organization/", 400, PROBLEM, {"name": "x"}),
        E("POST", "/organization/", 400, PROBLEM, {"name": "A B!"}),
        E("POST", "/organization/", 400, PROBLEM, {"name": "other", "email": "notanemail"}),
        E("POST", "/organization/", 400, PROBLEM, {}),
        E("POST", "/organization/", 415, PROBLEM),
        E("POST", "/organization", 308, None, {"name": "other"}),
        E("GET", "/organization/neworg", 200, OWN_ORGANIZATION),
        E("GET", "/organization/neworg", 200, ORGANIZATION, by=None),
        E("GET", "/organization/nosuchorg", 404, PROBLEM),
        E("PUT", "/organization/neworg", 200, OWN_ORGANIZATION, {"email": "newer@example.com", "invoice_email": True}),
        E("PUT", "/organization/neworg", 200, OWN_ORGANIZATION, {}),
        E("PUT", "/organization/neworg", 400, PROBLEM, {"tag_expiration_s": -1}),
        E("PUT", "/organization/neworg", 400, PROBLEM, {"tag_expiration_s": 12345}),
        E("PUT", "/organization/neworg", 403, PROBLEM, {}, by="stranger"),
        E("DELETE", "/organization/neworg", 403, PROBLEM, by="stranger"),
        E("DELETE", "/organization/neworg", 204),
        E("GET", "/organization/neworg", 404, PROBLEM),
        E("DELETE", "/organization/nosuchorg", 403, PROBLEM),
    ],
    "team": [
        E("PUT", "/organization/acme/team/new", 200, {"name", "description", "can_view", "role", "avatar", "new_team"},
          {"role": "member", "description": "text"}),
        E("PUT", "/organization/acme/team/new", 200, {"new_team"}, {"role": "creator"}),
        E("PUT", "/organization/acme/team/Bad Team!", 400, PROBLEM, {"role": "member"}),
        E("PUT", "/organization/acme/team/owners", 400, PROBLEM, {"role": "member"}),
        E("PUT", "/organization/nosuchorg/team/x", 403, PROBLEM, {"role": "member"}),
        E("PUT", "/organization/acme/team/new/members/reader", 200, MEMBER),
        E("PUT", "/organization/acme/team/new/members/reader", 400, PROBLEM),
        E("PUT", "/organization/acme/team/new/members/acme+robot", 200, MEMBER),
        E("PUT", "/organization/acme/team/new/members/nosuchuser", 400, PROBLEM),
        E("PUT", "/organization/acme/team/none/members/reader", 404, PROBLEM),
        E("GET", "/organization/acme/team/new/members", 200, {"name", "members", "can_edit"}),
        E("GET", "/organization/acme/team/new/members?includePending=true", 200, {"name", "members", "can_edit"}),
        E("GET", "/organization/nosuchorg/team/x/members", 403, PROBLEM),
        E("GET", "/organization/acme/team/new/permissions", 200, {"permissions"}),
        E("DELETE", "/organization/acme/team/new/members/reader", 204),
        E("DELETE", "/organization/acme/team/new/members/reader", 400, PROBLEM),
        E("DELETE", "/organization/acme/team/owners/members/owner", 400, PROBLEM),
        E("DELETE", "/organization/acme/team/new", 204),
        E("DELETE", "/organization/acme/team/new", 400, PROBLEM),
        E("DELETE", "/organization/acme/team/owners", 400, PROBLEM),
    ],
    "permission": [
        E("GET", "/repository/acme/app/permissions/user/", 200, {"permissions"}),
        E("GET", "/repository/acme/app/permissions/user/reader", 200, USER_PERMISSION),
        E("GET", "/repository/acme/app/permissions/user/nosuchuser", 400, PROBLEM),
        E("PUT", "/repository/acme/app/permissions/user/stranger", 200, USER_PERMISSION, {"role": "read"}),
        E("PUT", "/repository/acme/app/permissions/user/stranger", 200, USER_PERMISSION, {"role": "admin"}),
        E("PUT", "/repository/acme/app/permissions/user/stranger", 400, PROBLEM, {"role": "king"}),
        E("PUT", "/repository/acme/app/permissions/user/stranger", 415, PROBLEM),
        E("PUT", "/repository/acme/app/permissions/user/nosuchuser", 400, PROBLEM, {"role": "read"}),
        E("GET", "/repository/acme/app/permissions/user/stranger/transitive", 200, {"permissions"}),
        E("GET", "/repository/acme/app/permissions/user/nosuchuser/transitive", 404, PROBLEM),
        E("DELETE", "/repository/acme/app/permissions/user/stranger", 204),
        E("DELETE", "/repository/acme/app/permissions/user/stranger", 400, PROBLEM),
        E("PUT", "/repository/acme/app/permissions/team/members", 200, {"role", "name", "avatar"}, {"role": "write"}),
        E("PUT", "/repository/acme/app/permissions/team/nosuchteam", 400, PROBLEM, {"role": "write"}),
        E("GET", "/repository/acme/app/permissions/team/", 200, {"permissions"}),
        E("GET", "/repository/acme/app/permissions/team/members", 200, {"role"}),
        E("DELETE", "/repository/acme/app/permissions/team/members", 204),
        E("DELETE", "/repository/acme/app/permissions/team/members", 400, PROBLEM),
        E("GET", "/repository/acme/none/permissions/team/", 404, PROBLEM, better=True),
        E("GET", "/repository/nosuchns/none/permissions/team/", 403, PROBLEM),
    ],
    "robot": [
        E("GET", "/user/robots", 200, {"robots"}),
        E("PUT", "/user/robots/bot", 201, ONE_ROBOT, {"description": "mine", "unstructured_metadata": {"a": 1}}),
        E("PUT", "/user/robots/bot", 400, PROBLEM, {}),
        E("PUT", "/user/robots/nobody", 201, ONE_ROBOT),
        E("PUT", "/user/robots/Bad!Name", 400, PROBLEM, {}),
        E("PUT", "/user/robots/long", 400, PROBLEM, {"description": "x" * 256}),
        E("GET", "/user/robots/bot", 200, ONE_ROBOT),
        E("GET", "/user/robots/none", 400, PROBLEM),
        E("GET", "/user/robots/bot/permissions", 200, {"permissions"}),
        E("POST", "/user/robots/bot/regenerate", 200, ROBOT),
        E("POST", "/user/robots/none/regenerate", 400, PROBLEM),
        E("DELETE", "/user/robots/bot", 204),
        E("DELETE", "/user/robots/bot", 400, PROBLEM),
        E("GET", "/organization/acme/robots?permissions=true&token=false", 200, {"robots"}),
        E("GET", "/organization/nosuchorg/robots", 403, PROBLEM),
        E("PUT", "/organization/acme/robots/bot", 201, ONE_ROBOT, {}),
        E("GET", "/organization/acme/robots/bot", 200, ONE_ROBOT),
        E("GET", "/organization/acme/robots/none", 400, PROBLEM),
        E("GET", "/organization/acme/robots/robot/permissions", 200, {"permissions"}),
        E("POST", "/organization/acme/robots/bot/regenerate", 200, ROBOT),
        E("DELETE", "/organization/acme/robots/bot", 204),
        E("DELETE", "/organization/acme/robots/bot", 400, PROBLEM),
    ],
    "repository": [
        E("GET", "/repository", 400, PROBLEM),
        E("GET", "/repository?starred=true", 400, PROBLEM, by=None),
        E("GET", "/repository?starred=true", 200, {"repositories"}),
        E("GET", "/repository?public=true&last_modified=true&popularity=true", 200, {"repositories"}, by=None),
        E("GET", "/repository?namespace=acme&next_page=garbage", 400, PROBLEM, better=True),
        E("POST", "/repository", 201, {"namespace", "name", "kind"},
          {"namespace": "acme", "repository": "new", "visibility": "private", "description": "", "repo_kind": "image"}),
        E("POST", "/repository", 400, PROBLEM, {"namespace": "acme", "repository": "new", "visibility": "private"}),
        E("POST", "/repository", 201, {"name"}, {"namespace": "acme", "name": "guide"}, better=True),
        E("POST", "/repository", 201, {"name"}, {"repository": "own", "visibility": "public", "description": ""}),
        E("POST", "/repository", 201, {"name"}, {"namespace": "acme", "repository": "nested/name"}),
        E("POST", "/repository", 201, {"name"}, {"namespace": "acme", "repository": "hers"}, by="creator"),
        E("POST", "/repository", 403, PROBLEM, {"namespace": "acme", "repository": "his"}, by="member"),
        E("POST", "/repository", 403, PROBLEM, {"namespace": "nosuchns", "repository": "x"}),
        E("POST", "/repository", 400, PROBLEM, {"repository": "BadName!", "namespace": "acme"}),
        E("POST", "/repository", 400, PROBLEM, {"repository": "x", "visibility": "secret"}),
        E("POST", "/repository", 400, PROBLEM, {"repository": "x", "repo_kind": "application"}),
        E("POST", "/repository", 400, PROBLEM, {}),
        E("POST", "/repository", 415, PROBLEM),
        E("GET", "/repository/acme/new", 200, REPOSITORY | {"tags"}),
        E("GET", "/repository/acme/nested/name?includeTags=false", 200, REPOSITORY),
        E("GET", "/repository/acme/new?includeStats=true", 200, REPOSITORY | {"stats"}),
        E("GET", "/repository/acme/public", 200, REPOSITORY, by=None),
        E("GET", "/repository/acme/none", 404, PROBLEM),
        E("GET", "/repository/nosuchns/none", 403, PROBLEM),
        E("GET", "/repository/acme/none", 401, PROBLEM, by=None),
        E("PUT", "/repository/acme/new", 200, {"success"}, {"description": "new text"}),
        E("PUT", "/repository/acme/new", 400, PROBLEM, {"description": 5}),
        E("POST", "/repository/acme/new/changevisibility", 200, {"success"}, {"visibility": "public"}),
        E("POST", "/repository/acme/none/changevisibility", 404, PROBLEM, {"visibility": "public"}, better=True),
        E("DELETE", "/repository/acme/nested/name", 204),
        E("DELETE", "/repository/acme/nested/name", 404, PROBLEM, better=True),
    ],
    "tag and manifest": [
        E("GET", "/repository/acme/app/tag/", 200, {"tags", "page", "has_additional"}),
        E("GET", "/repository/acme/app/tag/?limit=1&page=99", 200, {"tags", "page", "has_additional"}),
        E("GET", "/repository/acme/app/tag/?limit=x", 400, PROBLEM),
        E("GET", "/repository/acme/app/tag", 308),
        E("PUT", "/repository/acme/none/tag/newtag", 404, PROBLEM, {"manifest_digest": f"sha256:{'0' * 64}"}),
        E("PUT", "/repository/acme/app/tag/newtag", 404, PROBLEM, {"manifest_digest": f"sha256:{'0' * 64}"}),
        E("PUT", "/repository/acme/app/tag/newtag", 404, PROBLEM, {"manifest_digest": "garbage"}),
        E("PUT", "/repository/acme/app/tag/newtag", 415, PROBLEM),
        E("PUT", "/repository/acme/app/tag/newtag", 400, PROBLEM, []),
        E("PUT", "/repository/acme/app/tag/newtag", 400, PROBLEM, {"manifest_digest": 5}),
        E("PUT", "/repository/acme/app/tag/newtag", 201, "Updated", {}),
        E("PUT", "/repository/acme/app/tag/newtag", 400, PROBLEM, {"image": "x" * 64}, better=True),
        E("PUT", "/repository/acme/app/tag/newtag", 400, PROBLEM, {"expiration": "soon"}),
        E("PUT", "/repository/acme/app/tag/nosuchtag", 404, PROBLEM, {"expiration": 1795448292}),
        E("DELETE", "/repository/acme/app/tag/nosuchtag", 404, PROBLEM),
        E("POST", "/repository/acme/none/tag/newtag/restore", 404, PROBLEM, {"manifest_digest": f"sha256:{'0' * 64}"}),
        E("POST", "/repository/acme/app/tag/newtag/restore", 404, PROBLEM, {"manifest_digest": f"sha256:{'0' * 64}"}),
        E("POST", "/repository/acme/app/tag/newtag/restore", 415, PROBLEM),
        E("POST", "/repository/acme/app/tag/newtag/restore", 400, PROBLEM, {}),
        E("POST", "/repository/acme/app/tag/newtag/restore", 400, PROBLEM, {"manifest_digest": 5}),
        E("GET", "/repository/acme/app/manifest/latest", 404, PROBLEM),
        E("GET", "/repository/acme/app/manifest/sha256:abc", 404, PROBLEM),
        E("GET", f"/repository/acme/app/manifest/sha256:{'0' * 64}", 404, PROBLEM),
    ],
    "superuser": [
        E("GET", "/superuser/users/", 200, {"users"}, by="root"),
        E("GET", "/superuser/users/?limit=3", 200, {"users", "next_page"}, by="root"),
        E("GET", "/superuser/users/", 403, PROBLEM),
        E("POST", "/superuser/users/", 200, {"username", "email", "password", "encrypted_password"},
          {"username": "newuser", "email": "newuser@example.com"}, by="root"),
        E("POST", "/superuser/users/", 400, PROBLEM, {"username": "newuser", "email": "n@example.com"}, by="root"),
        E("POST", "/superuser/users/", 403, PROBLEM, {"username": "x", "email": "n@example.com"}),
        E("GET", "/superuser/users/newuser", 200, INSTALL_USER, by="root"),
        E("GET", "/superuser/users/nosuchuser", 404, PROBLEM, by="root"),
        E("PUT", "/superuser/users/newuser", 200, INSTALL_USER, {"enabled": False}, by="root"),
        E("DELETE", "/superuser/users/newuser", 204, by="root"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("noun", SCRIPTS)
def test_exchanges_are_as_recorded(api: Api, noun: str) -> None:
    for exchange in SCRIPTS[noun]:
        answer = api.call(exchange.method, exchange.path, by=exchange.by, json=exchange.body)
        told = f"{exchange}: {answer.status} {answer.text[:300]}"
        assert answer.status == exchange.status, told
        if isinstance(exchange.answer, str):
            assert answer.body == exchange.answer, told
        elif exchange.answer is not None:
            assert exchange.answer <= answer.body.keys(), told
        if exchange.answer == PROBLEM:
            assert answer.body["status"] == exchange.status
