"""Who may do what is decided by REST and felt with docker's protocol."""

from urllib.parse import quote

from tests.e2e.clients.http import call
from tests.e2e.clients.people import Person
from tests.e2e.clients.registry import Registry
from tests.e2e.clients.rest import Rest
from tests.services.drydock import Drydock


def test_a_person_that_a_superuser_made_logs_in(drydock: Drydock) -> None:
    operator = Rest(drydock.url, drydock.token("admin", "super:user"))

    made = operator.post("/superuser/users/", {"username": "newcomer", "email": "newcomer@example.com"})

    newcomer = Registry(drydock.url, ("newcomer", made["password"]))
    newcomer.push_image("newcomer/first", "1", b"a layer")
    newcomer.check_image("newcomer/first", "1")
    assert "newcomer" in {user["username"] for user in operator.get("/superuser/users/")["users"]}


def test_a_team_opens_its_repositories_to_its_members(
    alice: Person, bob: Person, organization: str, repository: str
) -> None:
    shared = f"{organization}/{repository.partition('/')[2]}"
    alice.rest.create_repository(shared)
    team, permission = f"/organization/{organization}/team/writers", f"/repository/{shared}/permissions/team/writers"
    alice.rest.put(team, {"role": "member"})
    alice.rest.put(permission, {"role": "write"})
    assert _may_push(bob, shared) is False

    alice.rest.put(f"{team}/members/{bob.name}")
    assert _may_push(bob, shared) is True

    alice.rest.put(permission, {"role": "read"})
    assert _may_push(bob, shared) is False

    alice.rest.call("DELETE", f"{team}/members/{bob.name}").expect(204)
    bob.rest.call("GET", f"/repository/{shared}").expect(403)


def test_a_robots_former_password_is_worth_nothing(drydock: Drydock, alice: Person, repository: str) -> None:
    name = f"rotated_{repository.rpartition('-')[2]}"
    robot, old = alice.rest.robot(None, name)
    assert alice.rest.get(f"/user/robots/{name}")["token"] == old

    new = alice.rest.post(f"/user/robots/{name}/regenerate")["token"]

    assert _signs_in(drydock, robot, old) == 401
    assert _signs_in(drydock, robot, new) == 200
    alice.rest.call("DELETE", f"/user/robots/{name}").expect(204)
    assert _signs_in(drydock, robot, new) == 401


def test_a_repository_that_was_deleted_is_gone_and_its_name_is_free(alice: Person, repository: str) -> None:
    alice.registry.push_image(repository, "1", b"a layer")

    alice.rest.call("DELETE", f"/repository/{repository}").expect(204)

    alice.rest.call("GET", f"/repository/{repository}").expect(404)
    alice.registry.call("GET", repository, "manifests/1").expect(404)
    digest = alice.registry.push_image(repository, "2", b"another layer")
    tags = alice.rest.get(f"/repository/{repository}/tag/")["tags"]
    assert [(tag["name"], tag["manifest_digest"]) for tag in tags] == [("2", digest)]


def test_a_pushed_image_is_shown(alice: Person, repository: str) -> None:
    digest = alice.registry.push_image(repository, "1", b"x" * 1000, b"y" * 234)

    shown = alice.rest.get(f"/repository/{repository}/manifest/{digest}")

    assert (shown["digest"], shown["is_manifest_list"]) == (digest, False)
    assert [layer["compressed_size"] for layer in shown["layers"]] == [1000, 234]
    assert repository.partition("/")[2] in repositories_of(alice)


def repositories_of(person: Person) -> set[str]:
    """The names of all that the person may see in a namespace of her own, page by page."""
    found: set[str] = set()
    more = ""
    while True:
        page = person.rest.get(f"/repository?namespace={person.name}{more}")
        found |= {entry["name"] for entry in page["repositories"]}
        if "next_page" not in page:
            return found
        more = f"&next_page={quote(page['next_page'])}"


def test_an_organization_that_is_deleted_takes_everything_along(alice: Person) -> None:
    alice.rest.post("/organization/", {"name": "shortlived", "email": "shortlived@example.com"})
    alice.registry.push_image("shortlived/app", "1", b"a layer")

    alice.rest.call("DELETE", "/organization/shortlived").expect(204)

    alice.rest.call("GET", "/organization/shortlived").expect(404)
    assert alice.rest.call("GET", "/repository/shortlived/app").status in {403, 404}
    alice.registry.call("GET", "shortlived/app", "manifests/1").expect(404)


def test_what_is_private_is_not_told_to_strangers(drydock: Drydock, alice: Person, repository: str) -> None:
    alice.registry.push_image(repository, "1", b"a layer")

    Rest(drydock.url).call("GET", f"/repository/{repository}").expect(401)
    Rest(drydock.url, "not a token").call("GET", "/user/").expect(401)


def _may_push(person: Person, repository: str) -> bool:
    """Whether a token asked for now lets the person push."""
    registry = Registry(person.registry.url, (person.name, person.password))
    reply = registry.call("POST", repository, "blobs/uploads/", body=b"")
    assert reply.status in {202, 403}
    return reply.status == 202


def _signs_in(drydock: Drydock, name: str, password: str) -> int:
    headers = Registry(drydock.url, (name, password)).credentials()
    return call("GET", f"{drydock.url}/v2/auth?service=drydock", headers=headers).status
