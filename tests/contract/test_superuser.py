"""What superusers do: organizations, the registry itself, keys of services, builds of any repository."""

import gzip
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import select

from buildworker import registry_size
from buildworker.entry import KINDS, take
from buildworker.runtime import Runtime
from buildworker.stop import Stop
from models import published_keys
from models.access import Identity, find_account
from models.buildlogs import archive_path
from models.builds import Source, start_build
from models.service_keys import create_service_key
from models.tables import Blob, Build, Job, PublishedKey, Repository, ServiceKey
from models.tables.base import now
from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.api import Api

ORGANIZATION = {"name", "email", "avatar"}
KEY = {"name", "kid", "service", "jwk", "metadata", "created_date", "expiration_date", "rotation_duration", "approval"}
CREATED = {"kid", "name", "service", "public_key", "private_key"}
E = Exchange
SCRIPT = [
    E("GET", "/superuser/organizations/", 200, {"organizations"}, by="root"),
    E("GET", "/superuser/organizations/", 403, PROBLEM),
    E("PUT", "/superuser/organizations/acme", 200, ORGANIZATION, {"name": "emca"}, by="root"),
    E("PUT", "/superuser/organizations/emca", 200, ORGANIZATION, {}, by="root"),
    E("PUT", "/superuser/organizations/emca", 400, PROBLEM, {"name": "owner"}, by="root"),
    E("PUT", "/superuser/organizations/emca", 400, PROBLEM, {"name": "Bad Name"}, by="root"),
    E("PUT", "/superuser/organizations/acme", 404, PROBLEM, {"name": "other"}, by="root"),
    E("PUT", "/superuser/organizations/emca", 403, PROBLEM, {"name": "other"}),
    E("DELETE", "/superuser/organizations/owner", 404, PROBLEM, by="root"),
    E("DELETE", "/superuser/organizations/emca", 403, PROBLEM),
    E("DELETE", "/superuser/organizations/emca", 204, by="root"),
    E("DELETE", "/superuser/organizations/emca", 404, PROBLEM, by="root"),
    E("GET", "/superuser/registrysize/", 200, {"size_bytes", "last_ran", "queued", "running"}, by="root"),
    E("POST", "/superuser/registrysize/", 201, None, by="root"),
    E("POST", "/superuser/registrysize/", 403, PROBLEM),
    E("GET", "/superuser/changelog/", 200, {"log"}, by="root"),
    E("GET", "/superuser/changelog/", 403, PROBLEM),
    E("GET", "/superuser/registrystatus", 200, {"provider_id", "status"}, by=None),
    E("GET", "/superuser/keys", 200, {"keys"}, by="root"),
    E("GET", "/superuser/keys", 403, PROBLEM),
    E("GET", "/superuser/keys/nosuchkey", 404, PROBLEM, by="root"),
    E("PUT", "/superuser/keys/nosuchkey", 404, PROBLEM, {"name": "x"}, by="root"),
    E("DELETE", "/superuser/keys/nosuchkey", 404, PROBLEM, by="root"),
    E("POST", "/superuser/approvedkeys/nosuchkey", 404, PROBLEM, {"notes": ""}, by="root"),
    E("POST", "/superuser/keys", 400, PROBLEM, {"service": "clair"}, by="root"),
    E("POST", "/superuser/keys", 400, PROBLEM, {"service": "clair", "expiration": 1}, by="root"),
    E("POST", "/superuser/keys", 400, PROBLEM, {"service": "", "expiration": None}, by="root"),
    E("POST", "/superuser/keys", 400, PROBLEM, {"service": "drydock", "expiration": None}, by="root"),
    E("POST", "/superuser/keys", 400, PROBLEM, {"service": "s", "expiration": 1e300}, by="root"),
    E("POST", "/superuser/keys", 400, PROBLEM, {"service": "s", "expiration": None, "name": "a|b"}, by="root"),
    E("POST", "/superuser/keys", 403, PROBLEM, {"service": "clair", "expiration": None}),
    E("GET", "/superuser/nosuchbuild/build", 404, PROBLEM, by="root"),
    E("GET", "/superuser/nosuchbuild/status", 400, PROBLEM, by="root"),
    E("GET", "/superuser/nosuchbuild/logs", 400, PROBLEM, by="root"),
    E("GET", "/superuser/nosuchbuild/logs/archive", 400, PROBLEM, by="root"),
    E("GET", "/superuser/nosuchbuild/build", 403, PROBLEM),
]


def test_exchanges_are_as_recorded(api: Api) -> None:
    play(api, SCRIPT)


def test_organizations_are_listed_in_pages(api: Api) -> None:
    for name in ("one", "two"):
        api.post("/organization/", {"name": name}, by="stranger")
    everything = api.get("/superuser/organizations/", by="root").body
    assert everything.keys() == {"organizations"}
    assert [each["name"] for each in everything["organizations"]] == ["acme", "one", "two"]
    assert all(each.keys() == ORGANIZATION | {"quotas", "quota_report"} for each in everything["organizations"])
    first = api.get("/superuser/organizations/?limit=2", by="root").body
    rest = api.get(f"/superuser/organizations/?limit=2&next_page={first['next_page']}", by="root").body
    assert [each["name"] for each in rest["organizations"]] == ["two"]
    assert "next_page" not in rest


def test_an_organization_takes_its_robots_and_repositories_to_its_new_name(api: Api) -> None:
    api.put("/superuser/organizations/acme", {"name": "emca"}, by="root")
    names = [robot["name"] for robot in api.get("/organization/emca/robots", by="owner").body["robots"]]
    assert names == ["emca+robot", "emca+idle-robot"]
    assert api.get("/repository/emca/app", by="owner").status == 200
    assert api.get("/repository/acme/app", by="owner").status == 403
    assert api.logged("org_change_name") == [
        ("org_change_name", "root", {"namespace": "emca", "old_name": "acme", "new_name": "emca"})
    ]


def runtime(api: Api) -> Runtime:
    services = api.services
    return Runtime(services.settings, services.database, services.storage, services.redis)


def test_the_size_of_the_registry_is_counted_when_it_is_asked_for(api: Api) -> None:
    size = {"size_bytes": 0, "last_ran": None, "queued": False, "running": False}
    assert api.get("/superuser/registrysize/", by="root").body == size
    with api.database.write() as session:
        session.add_all([Blob(digest=f"sha256:{number}", size=number, path=str(number)) for number in (5, 7)])
    for _ in range(2):
        assert api.post("/superuser/registrysize/", by="root").status == 201
    assert api.get("/superuser/registrysize/", by="root").body == {**size, "queued": True}
    with api.database.read() as session:
        (uuid,) = session.scalars(select(Job.uuid))
    lease = take(runtime(api), uuid, "a worker")
    assert lease
    assert api.get("/superuser/registrysize/", by="root").body == {**size, "running": True}
    assert KINDS[lease.kind] is registry_size.run
    registry_size.run(runtime(api), lease, Stop())
    counted = api.get("/superuser/registrysize/", by="root").body
    assert (counted["size_bytes"], counted["queued"], counted["running"]) == (12, False, False)
    assert abs(counted["last_ran"] / 1000 - now().timestamp()) < 60


def test_an_installation_without_users_is_not_ready(api: Api) -> None:
    assert api.get("/superuser/registrystatus").body == {"provider_id": "file", "status": "ready"}


def created(api: Api, **more: Any) -> dict[str, Any]:
    answer = api.post("/superuser/keys", {"service": "clair", "expiration": None, **more}, by="root")
    assert (answer.status, answer.body.keys()) == (200, CREATED), answer.text
    key: dict[str, Any] = answer.body
    return key


def test_a_key_is_made_shown_changed_and_deleted(api: Api) -> None:
    key = created(api, name="a scanner", metadata={"a": 1}, notes="for tests")
    path = f"/superuser/keys/{key['kid']}"
    shown = api.get(path, by="root").body
    assert shown.keys() == KEY
    assert (shown["name"], shown["service"], shown["expiration_date"]) == ("a scanner", "clair", None)
    assert shown["metadata"].items() >= {"a": 1, "creator": "root", "ip": "127.0.0.1"}.items()
    assert shown["created_date"].endswith(" GMT")
    approval = shown["approval"]
    assert (approval["approver"]["username"], approval["approval_type"]) == ("root", "Super User API")
    assert approval["notes"] == "for tests"
    assert {each["kid"] for each in api.get("/superuser/keys", by="root").body["keys"]} >= {key["kid"]}
    with api.database.read() as session:
        assert "PRIVATE" not in str(session.scalars(select(PublishedKey.jwk)).one())
    signed = jwt.encode({"alg": "RS256"}, {"iss": "clair"}, RSAKey.import_key(key["private_key"]))
    assert jwt.decode(signed, RSAKey.import_key(shown["jwk"])).claims == {"iss": "clair"}

    later = int(now().timestamp()) + 1000
    changed = api.put(path, {"name": "other", "expiration": later}, by="root").body
    assert changed["name"] == "other"
    assert parsedate_to_datetime(changed["expiration_date"]).timestamp() == later
    assert api.put(path, {"metadata": {}}, by="root").body["expiration_date"] == changed["expiration_date"]
    assert api.put(path, {"expiration": 1}, by="root").status == 400
    assert api.put(path, {"expiration": None}, by="root").body["expiration_date"] is None
    assert api.post(f"/superuser/approvedkeys/{key['kid']}", {"notes": "again"}, by="root").status == 201
    assert api.get(path, by="root").body["approval"]["notes"] == "for tests"
    gone = api.delete(path, by="root")
    assert (gone.status, gone.text) == (204, "")
    assert api.get(path, by="root").status == 404
    kinds = [kind.removeprefix("service_key_") for kind, _, _ in api.logged(about="service_key")]
    assert kinds == ["create", "approve", "extend", "modify", "modify", "extend", "delete"]
    assert {performer for _, performer, _ in api.logged(about="service_key")} == {"root"}


def test_the_registrys_own_keys_are_among_them_without_their_private_half(api: Api) -> None:
    with api.database.write() as session:
        kid = create_service_key(session).kid
    shown = api.get(f"/superuser/keys/{kid}", by="root").body
    assert (shown["service"], shown["approval"]["approval_type"]) == ("drydock", "Automatic")
    assert shown["jwk"].keys() == {"kid", "kty", "crv", "x"}
    assert api.get("/superuser/keys", by="root").body == {"keys": [shown]}
    assert api.put(f"/superuser/keys/{kid}", {"name": "x"}, by="root").status == 400
    assert api.delete(f"/superuser/keys/{kid}", by="root").status == 204
    with api.database.read() as session:
        assert session.scalars(select(ServiceKey)).all() == []


@pytest.fixture
def build(api: Api) -> Build:
    with api.database.write() as session:
        owner = find_account(session, "owner")
        assert owner
        actor = Identity(kind="user", account_id=owner.id, name="owner")
        app = session.scalars(select(Repository).where(Repository.name == "app")).one()
        source = Source("https://example.com/secret.tar", None, "/Dockerfile", "/")
        return start_build(session, app, source, tags=["latest"], pull_robot=None, actor=actor, limit=None)


def test_builds_are_seen_without_what_only_writers_see(api: Api, build: Build) -> None:
    for end in ("build", "status"):
        shown = api.get(f"/superuser/{build.uuid}/{end}", by="root").body
        mine = api.get(f"/repository/acme/app/build/{build.uuid}", by="owner").body
        assert shown.keys() == mine.keys() - {"archive_url", "build_args", "inputs", "labels", "platform", "target"}
        assert (shown["id"], shown["repository"], shown["is_writer"]) == (build.uuid, mine["repository"], False)


def test_the_log_of_a_build_is_read_where_it_was_archived(api: Api, build: Build) -> None:
    assert api.get(f"/superuser/{build.uuid}/logs", by="root").status == 503  # it is in Redis, which is not there
    assert api.get(f"/superuser/{build.uuid}/logs/archive", by="root").status == 404
    api.services.storage.write(archive_path(build.uuid), gzip.compress(b'{"message": "one"}\n{"message": "two"}\n'))
    with api.database.write() as session:
        job = session.scalars(select(Job).where(Job.uuid == build.uuid)).one()
        job.logs_path, job.log_lines = archive_path(build.uuid), 2
    for end in ("logs", "logs/archive"):
        answer = api.get(f"/superuser/{build.uuid}/{end}?start=1", by="root").body
        assert (answer["total"], answer["logs"]) == (2, [{"message": "two"}])
        assert answer["logs_url"].endswith(f"/api/v1/superuser/{build.uuid}/logs/archive")


def test_a_key_of_a_service_waits_for_approval(api: Api) -> None:
    pair = RSAKey.generate_key(2048)
    with api.database.write() as session:
        actor = Identity(ip="192.0.2.1")
        jwk = pair.as_dict(private=False)
        published_keys.submit_key(session, "clair", "its-key", jwk, expires_at=None, actor=actor)
    assert api.get("/superuser/keys/its-key", by="root").body["approval"] is None
    assert api.post("/superuser/approvedkeys/its-key", {"notes": "known"}, by="root").status == 201
    assert api.get("/superuser/keys/its-key", by="root").body["approval"]["notes"] == "known"


def test_a_superuser_takes_an_organization_over(api: Api) -> None:
    assert api.get("/organization/acme/logs", by="root").status == 403
    for _ in range(2):
        answer = api.post("/superuser/takeownership/acme", by="root")
        assert (answer.status, answer.body) == (200, {"namespace": "acme"})
    assert api.get("/organization/acme/logs", by="root").status == 200
    told = {"namespace": "acme", "was_user": False, "superuser": "root"}
    kinds = [kind for kind, _, _ in api.logged("org_add_team_member", "take_ownership")]
    assert kinds[-3:] == ["org_add_team_member", "take_ownership", "take_ownership"]
    assert api.logged("take_ownership")[0][2].items() >= told.items()


def test_a_superuser_takes_a_user_over_which_becomes_an_organization(api: Api) -> None:
    api.post("/repository", {"repository": "mine"}, by="stranger")
    assert api.post("/superuser/takeownership/stranger", by="root").status == 200
    assert api.get("/repository/stranger/mine", by="root").status == 200
    assert api.get("/organization/stranger", by="root").body["is_admin"] is True
    assert api.logged("take_ownership")[0][2]["was_user"] is True
    assert api.get("/superuser/users/stranger", by="root").status == 404


def test_not_everything_can_be_taken_over(api: Api) -> None:
    assert api.post("/superuser/takeownership/root", by="root").status == 400
    assert api.post("/superuser/takeownership/nosuchname", by="root").status == 404
    assert api.post("/superuser/takeownership/acme%2Brobot", by="root").status == 404
    assert api.post("/superuser/takeownership/owner", by="root").status == 400  # acme would have nobody
    assert api.post("/superuser/takeownership/acme", by="owner").status == 403
