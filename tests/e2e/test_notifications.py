"""Everyone who should hear of it does: of pushes and builds, by signed webhooks, Slack, mail and inside the product."""

import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from typing import Any

import pytest

from tests.e2e.clients.archives import ArchiveServer
from tests.e2e.clients.people import Person, make_person
from tests.services.drydock import embedded
from tests.services.process import wait_until
from tests.services.receiver import Receiver
from tests.services.smtp import Smtp

BUILD_EVENTS = ["build_queued", "build_start", "build_success"]


def test_a_build_is_told_at_every_step(
    archives: ArchiveServer, alice: Person, repository: str, receiver: Receiver
) -> None:
    alice.rest.create_repository(repository)
    secrets = {event: _webhook(alice, repository, receiver, event)["webhook_secret"] for event in BUILD_EVENTS}
    _notify(alice, repository, "build_success", "slack", {"url": receiver.url("/slack")})
    target = {"target": {"kind": "user", "name": alice.name}}
    _notify(alice, repository, "build_success", "quay_notification", target)

    build = alice.rest.build(repository, archives.source("FROM scratch\nCOPY greeting /\n", greeting="hello"))
    build.wait("complete")

    for event in BUILD_EVENTS:
        request = receiver.wait(f"/{event}")
        assert request.is_signed_with(secrets[event])
        told = request.json
        assert (told["repository"], told["build_id"], told["docker_tags"]) == (repository, build.uuid, ["latest"])
        assert told["homepage"] == f"{alice.rest.url}/repository/{repository}/build/{build.uuid}"
    assert receiver.at("/build_success")[0].json["manifest_digests"] == [build.status()["image_digest"]]
    assert receiver.at("/build_queued")[0].json["is_manual"] is True
    assert receiver.wait("/slack").json["text"] == f"Build {build.uuid[:8]} of {repository} succeeded"
    notices = alice.rest.get("/user/notifications?limit=100")["notifications"]
    mine = [each for each in notices if each["metadata"].get("build_id") == build.uuid]
    assert [each["kind"] for each in mine] == ["build_success"]


def test_a_push_is_told_logged_and_told_again(alice: Person, repository: str, receiver: Receiver) -> None:
    alice.rest.create_repository(repository)
    hook = _webhook(alice, repository, receiver, "repo_push")
    log = f"/repository/{repository}/notification/{hook['uuid']}/deliveries"

    _push(alice, repository, "v1")

    request = receiver.wait("/repo_push")
    host = alice.rest.url.partition("://")[2]
    assert request.json == {
        "repository": repository,
        "namespace": alice.name,
        "name": repository.partition("/")[2],
        "docker_url": f"{host}/{repository}",
        "homepage": f"{alice.rest.url}/repository/{repository}",
        "updated_tags": ["v1"],
    }
    assert request.is_signed_with(hook["webhook_secret"])
    wait_until(lambda: [each["state"] for each in alice.rest.get(log)["deliveries"]] == ["delivered"], seconds=10)
    entry = alice.rest.get(f"{log}/{alice.rest.get(log)['deliveries'][0]['uuid']}")
    assert entry["log"][0]["answer"].startswith("thanks for /repo_push")
    alice.rest.post(f"{log}/{entry['uuid']}/replay")
    again = receiver.wait("/repo_push", number=2)
    assert (again.body, again.headers["webhook-id"]) == (request.body, request.headers["webhook-id"])


def test_a_receiver_that_fails_is_given_up_after_three_tests(
    alice: Person, repository: str, receiver: Receiver
) -> None:
    alice.rest.create_repository(repository)
    hook = _notify(alice, repository, "repo_push", "webhook", {"url": receiver.url("/status/500")})
    path = f"/repository/{repository}/notification/{hook['uuid']}"
    for number in (1, 2, 3):
        alice.rest.post(f"{path}/test")
        wait_until(lambda number=number: alice.rest.get(path)["number_of_failures"] == number, seconds=10)  # type: ignore[misc]
    _push(alice, repository, "unheard")
    wait_until(lambda: 'drydock_deliveries{kind="event"}' not in _metrics(alice), seconds=10)
    alice.rest.call("POST", path).expect(204)
    _push(alice, repository, "heard")
    receiver.wait("/status/500", number=4)
    assert receiver.at("/status/500")[-1].json["updated_tags"] == ["heard"]


@pytest.fixture(scope="module")
def mailed(smtp: Smtp) -> Iterator[Person]:
    """Who uses an installation that sends mail."""
    with embedded(settings=smtp.settings) as installation:
        yield make_person(installation, "carol")


def test_who_agreed_on_the_page_behind_the_link_is_mailed(mailed: Person, smtp: Smtp) -> None:
    repository, address = f"{mailed.name}/app", "readers@example.com"
    mailed.rest.create_repository(repository)
    agreement = f"/repository/{repository}/authorizedemail/{address}"
    assert mailed.rest.post(agreement)["confirmed"] is False
    _agree(re.findall(r"http://\S+", smtp.await_mail_to(address).text)[0])
    assert mailed.rest.get(agreement)["confirmed"] is True
    _notify(mailed, repository, "repo_push", "email", {"email": address})

    _push(mailed, repository, "v1")

    mail = smtp.await_mail_to(address, number=2)
    assert mail.message["Subject"] == f"{mailed.name} pushed v1 to {repository}"
    assert f"{mailed.rest.url}/repository/{repository}" in mail.text


def _webhook(person: Person, repository: str, receiver: Receiver, event: str) -> Any:
    return _notify(person, repository, event, "webhook", {"url": receiver.url(f"/{event}")})


def _notify(person: Person, repository: str, event: str, method: str, config: Any) -> Any:
    body = {"event": event, "method": method, "config": config, "eventConfig": {}}
    return person.rest.post(f"/repository/{repository}/notification/", body)


def _push(person: Person, repository: str, tag: str) -> None:
    person.registry.push_image(repository, tag, f"layer {tag}".encode())


def _metrics(person: Person) -> str:
    with urllib.request.urlopen(f"{person.rest.url}/metrics") as answer:
        return str(answer.read().decode())


def _agree(link: str) -> None:
    """Open the link as a browser does, and press the button."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    with browser.open(link) as shown:
        fields = re.findall(r'name="(\w+)" value="([^"]*)"', shown.read().decode())
    with browser.open(link.partition("?")[0], urllib.parse.urlencode(fields).encode()) as answer:
        assert "Agreed" in answer.read().decode()
