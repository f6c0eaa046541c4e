"""From an event to what receivers get, attempt by attempt, and what the log and the notification say then."""

import base64
import json
from pathlib import Path

import pytest
from sqlalchemy import select, update

from buildworker.deliveries import deliver
from models import notifications
from models.tables import Delivery, DeliveryAttempt, LogEntry, Notification, UserNotification
from models.tables.base import now
from models.vault import Vault
from tests.factories.database import KEY
from tests.factories.desk import Desk
from tests.factories.outbox import take
from tests.services.receiver import Receiver

PUSHED = {
    "repository": "acme/app",
    "namespace": "acme",
    "name": "app",
    "docker_url": "localhost:8080/acme/app",
    "homepage": "http://localhost:8080/repository/acme/app",
    "updated_tags": ["latest"],
}


def test_a_webhook_is_told_of_a_push_with_quays_keys_and_signed(desk: Desk, receiver: Receiver) -> None:
    hook = desk.notify("webhook", {"url": receiver.url("/hook?token=hidden")})
    desk.push()
    desk.work()
    (request,) = receiver.at("/hook")
    assert request.json == PUSHED
    assert request.headers["Content-Type"] == "application/json"
    assert request.is_signed_with(hook["webhook_secret"])
    assert not request.is_signed_with(notifications.new_secret())
    assert abs(int(request.headers["webhook-timestamp"]) - now().timestamp()) < 60
    entry = desk.delivery(hook)
    assert entry["payload"] == PUSHED
    (attempt,) = entry["log"]
    assert (attempt["number"], attempt["status"], attempt["error"]) == (1, 200, None)
    assert attempt["answer"].startswith("thanks for /hook?token=hidden\ufffd")
    assert len(attempt["answer"]) <= 4096
    assert attempt["request"]["url"] == receiver.url("/hook?…")
    assert json.loads(attempt["request"]["body"]) == PUSHED
    assert attempt["request"]["headers"]["webhook-id"] == entry["message_id"] == request.headers["webhook-id"]
    assert {"event": "repo_push", "state": "delivered", "attempts": 1, "status": 200, "error": None}.items() <= (
        entry.items()
    )


def test_a_login_in_the_address_is_used_and_not_shown(desk: Desk, receiver: Receiver) -> None:
    url = receiver.url("/hook").replace("//", "//me:s%40cret@")
    hook = desk.notify("webhook", {"url": url})
    desk.push()
    desk.work()
    (request,) = receiver.at("/hook")
    assert request.headers["Authorization"] == f"Basic {base64.b64encode(b'me:s@cret').decode()}"
    shown = desk.delivery(hook)["log"][0]["request"]
    assert shown["url"] == receiver.url("/hook")
    assert "Authorization" not in shown["headers"]


def test_a_template_says_what_a_webhook_gets(desk: Desk, receiver: Receiver) -> None:
    template = '{"text": "${name}: ${updated_tags}", "first": "${updated_tags[0]}", "none": "${nothing}"}'
    hook = desk.notify("webhook", {"url": receiver.url(), "template": template})
    desk.push("a", "b")
    desk.work()
    assert receiver.at("/hook")[0].json == {"text": "app: a,b", "first": "a", "none": None}
    assert desk.delivery(hook)["payload"]["updated_tags"] == ["a", "b"]


def test_slack_gets_what_people_read(desk: Desk, receiver: Receiver) -> None:
    slack = desk.notify("slack", {"url": receiver.url("/services/T0/B0/hidden")}, "build_failure")
    desk.tell(
        "build_failure",
        build_id="01234567-89",
        docker_tags=["latest"],
        error_message="<no & yes>",
        trigger_metadata={"ref": "refs/heads/main", "commit": "abc", "commit_info": {"message": "Line\nand line"}},
    )
    desk.work()
    (request,) = receiver.at("/services/T0/B0/hidden")
    told = request.json
    assert told["text"] == "Build 01234567 of acme/app failed"
    assert told["username"] == "Drydock"
    (attachment,) = told["attachments"]
    assert attachment.keys() == {"fallback", "text", "color", "mrkdwn_in"}
    assert attachment["color"] == "danger"
    assert "*Error:* &lt;no &amp; yes&gt;\n*Tags:* latest\n*Ref:* refs/heads/main" in attachment["text"]
    assert "webhook-signature" not in request.headers
    assert desk.delivery(slack)["log"][0]["request"]["url"] == f"http://127.0.0.1:{receiver.port}/…"


def test_people_inside_are_told_in_the_same_moment(desk: Desk) -> None:
    team = desk.notify("quay_notification", {"target": {"kind": "team", "name": "owners"}})
    desk.notify("quay_notification", {"target": {"kind": "user", "name": "reader"}})
    desk.notify("quay_notification", {"target": {"kind": "org", "name": "acme"}})
    gone = desk.notify("quay_notification", {"target": {"kind": "team", "name": "creators"}})
    desk.api.delete("/organization/acme/team/creators", by="owner")
    desk.push()
    assert desk.work() == 1
    with desk.database.read() as session:
        rows = session.scalars(select(UserNotification).order_by(UserNotification.id)).all()
        assert [(row.kind, row.detail) for row in rows] == [("repo_push", PUSHED)] * 3
    seen = desk.api.get("/user/notifications", by="owner").body["notifications"]
    assert sorted(str(notice["organization"]) for notice in seen) == ["None", "acme"]
    assert desk.log(team)[0]["state"] == "delivered"
    assert (desk.log(gone)[0]["state"], desk.log(gone)[0]["error"]) == ("failed", "Unknown team creators")
    refused = desk.api.post(f"{team['path']}/deliveries/{desk.log(team)[0]['uuid']}/replay", by="owner")
    assert refused.status == 400


def test_nothing_is_written_where_nobody_listens(desk: Desk, receiver: Receiver) -> None:
    desk.push()
    desk.notify("webhook", {"url": receiver.url()}, "build_start")
    desk.push()
    desk.tell("build_failure")
    with desk.database.read() as session:
        assert session.scalars(select(Delivery)).all() == []


def test_each_hears_of_what_it_asked_for_and_one_that_is_slow_to_learn_costs_the_others_nothing(
    desk: Desk, receiver: Receiver
) -> None:
    desk.notify("webhook", {"url": receiver.url("/main")}, "build_success", **{"ref-regex": "refs/heads/main"})
    desk.notify("webhook", {"url": receiver.url("/tags")}, "build_success", **{"ref-regex": "refs/tags/v[0-9]"})
    desk.notify("webhook", {"url": receiver.url("/all")}, "build_success")
    desk.notify("webhook", {"url": receiver.url("/push")})
    desk.tell("build_success", build_id="b", trigger_metadata={"ref": "refs/heads/main"})
    desk.tell("build_success", build_id="b", trigger_metadata={"ref": "refs/tags/v1"})
    desk.tell("build_success", build_id="b", trigger_metadata={})
    desk.work()
    assert [len(receiver.at(path)) for path in ("/main", "/tags", "/all", "/push")] == [1, 1, 3, 0]
    assert receiver.at("/main")[0].json["homepage"].endswith("/repository/acme/app")


def test_what_fails_is_tried_again_under_the_same_id_and_then_counts(desk: Desk, receiver: Receiver) -> None:
    hook = desk.notify("webhook", {"url": receiver.url("/status/500")})
    desk.push()
    desk.work()
    assert (desk.log(hook)[0]["state"], desk.failures(hook)) == ("waiting", 0)
    assert "500" in desk.log(hook)[0]["error"]
    assert desk.work() == 0
    for _ in range(4):
        desk.pass_time()
        assert desk.work() == 1
    entry = desk.delivery(hook)
    assert (entry["state"], entry["attempts"], desk.failures(hook)) == ("failed", 5, 1)
    assert [attempt["status"] for attempt in entry["log"]] == [500] * 5
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 1
    assert len({request.body for request in receiver.received}) == 1


def test_a_receiver_that_comes_back_is_not_given_up(desk: Desk, receiver: Receiver) -> None:
    hook = desk.notify("webhook", {"url": receiver.url()})
    receiver.answers = [503, 429]
    desk.push()
    for _ in range(3):
        desk.work()
        desk.pass_time()
    entry = desk.delivery(hook)
    assert [attempt["status"] for attempt in entry["log"]] == [503, 429, 200]
    assert (entry["state"], desk.failures(hook)) == ("delivered", 0)


def test_after_three_failures_in_a_row_nothing_is_sent_until_it_is_reset(desk: Desk, receiver: Receiver) -> None:
    hook = desk.notify("webhook", {"url": receiver.url()})
    receiver.answers = [410] * 2 + [200] + [410] * 3
    for failures in (1, 2, 0, 1, 2, 3):
        desk.push()
        desk.work()
        assert desk.failures(hook) == failures
    desk.push()
    desk.work()
    assert len(receiver.received) == 6
    assert len(desk.log(hook)) == 6
    assert desk.api.post(hook["path"], by="owner").status == 204
    desk.push()
    desk.work()
    assert (len(receiver.received), desk.failures(hook)) == (7, 0)


def test_what_waits_when_it_is_disabled_is_not_sent_either(desk: Desk, receiver: Receiver) -> None:
    hook = desk.notify("webhook", {"url": receiver.url("/status/500")})
    desk.push()
    desk.work()
    with desk.database.write() as session:
        session.scalars(select(Notification)).one().number_of_failures = 3
    desk.pass_time()
    desk.work()
    assert len(receiver.received) == 1
    assert (desk.log(hook)[0]["state"], desk.failures(hook)) == ("failed", 3)
    assert "reset the notification's failures" in desk.log(hook)[0]["error"]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://169.254.169.254/latest", "link-local"),
        ("http://127.0.0.2:1/x", "loopback"),
        ("http://[::1]/x", "loopback"),
        ("not-slack", "expected an address"),
    ],
)
def test_what_is_not_public_is_not_reached(desk: Desk, url: str, told: str) -> None:
    slack = desk.notify("slack", {"url": url})
    desk.push()
    desk.work()
    entry = desk.delivery(slack)
    assert (entry["state"], entry["attempts"], desk.failures(slack)) == ("failed", 1, 1)
    assert told in entry["error"]


def test_redirects_lead_nowhere(desk: Desk, receiver: Receiver) -> None:
    hook = desk.notify("webhook", {"url": receiver.url("/redirect")})
    desk.push()
    desk.work()
    assert [request.path for request in receiver.received] == ["/redirect"]
    assert desk.delivery(hook)["log"][0]["status"] == 302


def test_a_receiver_that_is_not_there_is_told_in_the_log(desk: Desk) -> None:
    hook = desk.notify("webhook", {"url": "http://127.0.0.1:1/"})
    desk.push()
    desk.work()
    (attempt,) = desk.delivery(hook)["log"]
    assert (attempt["status"], attempt["answer"]) == (None, None)
    assert attempt["error"] == "url: 127.0.0.1:1 refuses connections"


def test_a_test_is_sent_once_and_brings_a_disabled_one_back(desk: Desk, receiver: Receiver) -> None:
    hook = desk.notify("webhook", {"url": receiver.url()}, "build_success", **{"ref-regex": "never"})
    with desk.database.write() as session:
        session.scalars(select(Notification)).one().number_of_failures = 3
    receiver.answers = [500]
    assert desk.api.post(f"{hook['path']}/test", by="owner").body == {}
    desk.work()
    assert (desk.log(hook)[0]["state"], desk.failures(hook)) == ("failed", 4)
    answer = desk.api.post(f"{hook['path']}/test", by="owner")
    assert (answer.status, answer.body) == (200, {})
    desk.work()
    told = receiver.at("/hook")[-1].json
    assert {"build_id", "build_name", "docker_tags", "trigger_id", "trigger_kind", "trigger_metadata"} <= told.keys()
    assert told["homepage"].endswith(f"/repository/acme/app/build/{told['build_id']}")
    assert desk.failures(hook) == 0


def test_a_delivery_is_sent_again_by_hand_under_its_id(desk: Desk, receiver: Receiver) -> None:
    hook = desk.notify("webhook", {"url": receiver.url()})
    receiver.answers = [500]
    desk.push()
    desk.work()
    path = f"{hook['path']}/deliveries/{desk.log(hook)[0]['uuid']}"
    assert desk.api.post(f"{path}/replay", by="owner").status == 400  # it is still being sent
    desk.pass_time()
    desk.work()
    again = desk.api.post(f"{path}/replay", by="owner")
    assert (again.status, again.body["state"]) == (201, "waiting")
    desk.work()
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 1
    assert [request.json for request in receiver.received] == [PUSHED] * 3
    assert [entry["state"] for entry in desk.log(hook)] == ["delivered", "delivered"]
    assert desk.api.post(f"{hook['path']}/deliveries/nothing/replay", by="owner").status == 404


def test_the_log_is_paged_and_for_administrators_only(desk: Desk, receiver: Receiver) -> None:
    hook = desk.notify("webhook", {"url": receiver.url()})
    other = desk.notify("webhook", {"url": receiver.url()}, at="/repository/acme/public/notification/")
    for number in range(5):
        desk.push(f"tag{number}")
    desk.work()
    path, seen = f"{hook['path']}/deliveries", []
    page = desk.api.get(f"{path}?limit=2", by="owner").body
    while page.get("next_page"):
        seen += page["deliveries"]
        page = desk.api.get(f"{path}?limit=2&next_page={page['next_page']}", by="owner").body
    seen += page["deliveries"]
    assert [entry["uuid"] for entry in seen] == [entry["uuid"] for entry in desk.log(hook)]
    assert len(seen) == 5
    one = f"{path}/{seen[0]['uuid']}"
    for person, status in (("writer", 403), ("stranger", 403), ("repo-admin", 200)):
        assert desk.api.get(path, by=person).status == status
        assert desk.api.get(one, by=person).status == status
    assert desk.api.post(f"{one}/replay", by="writer").status == 403
    assert desk.api.get(f"{other['path']}/deliveries/{seen[0]['uuid']}", by="owner").status == 404
    assert desk.log(other) == []


def test_what_is_removed_is_told_of_nothing_more(desk: Desk, receiver: Receiver) -> None:
    hook = desk.notify("webhook", {"url": receiver.url()})
    desk.push()
    with desk.database.write() as session:
        attempt = take(session)
    assert attempt is not None
    deliver(desk.runtime, attempt)
    with desk.database.write() as session:
        sending = take(session)
    assert desk.api.delete(hook["path"], by="owner").status == 204
    assert sending is not None
    deliver(desk.runtime, sending)
    assert receiver.received == []
    with desk.database.read() as session:
        assert session.scalars(select(DeliveryAttempt)).all() == []


def test_events_of_a_repository_that_is_gone_are_dropped(desk: Desk, receiver: Receiver) -> None:
    desk.notify("webhook", {"url": receiver.url()})
    desk.push()
    assert desk.api.delete("/repository/acme/app", by="owner").status == 204
    assert desk.work() == 1
    assert receiver.received == []


def test_an_event_is_spread_once_though_two_workers_hold_it(desk: Desk, receiver: Receiver) -> None:
    desk.notify("webhook", {"url": receiver.url()})
    desk.push()
    with desk.database.write() as session:
        late = take(session, "late")
    desk.pass_time()
    desk.work()
    assert late is not None
    deliver(desk.runtime, late)
    desk.work()
    assert len(receiver.received) == 1


def test_namespaces_are_tested_and_logged_alike(desk: Desk, receiver: Receiver) -> None:
    for at in ("/organization/acme/notifications", "/user/namespacenotifications"):
        hook = desk.notify("webhook", {"url": receiver.url()}, "quota_warning", at=at)
        assert desk.api.post(f"{hook['path']}/test", by="owner").body == {}
        desk.work()
        entry = desk.delivery(hook)
        assert entry["state"] == "delivered"
        assert entry["payload"].keys() == {
            "namespace", "homepage", "threshold_percent", "usage_bytes", "limit_bytes", "usage_percent",
            "usage_bytes_formatted", "limit_bytes_formatted",
        }  # fmt: skip
        assert desk.api.post(f"{hook['path']}/deliveries/{entry['uuid']}/replay", by="owner").status == 201
        desk.work()
    assert receiver.at("/hook")[0].json["homepage"] == "http://localhost:8080/organization/acme"
    assert receiver.at("/hook")[2].json["homepage"] == "http://localhost:8080/user/owner"


def test_what_a_key_that_was_lost_encrypted_is_told_and_not_repeated(
    desk: Desk, receiver: Receiver, tmp_path: Path
) -> None:
    hook = desk.notify("webhook", {"url": receiver.url()})
    desk.push()
    with desk.database.write() as session:
        row = session.scalars(select(Notification)).one()
        row.encrypted_config = Vault([KEY + "another"]).encrypt("{}")
    desk.work()
    assert receiver.received == []
    with desk.database.read() as session:
        (delivery,) = session.scalars(select(Delivery).where(Delivery.kind == "webhook"))
        assert (delivery.state, delivery.attempts) == ("failed", 1)
        assert session.scalars(select(LogEntry.kind).where(LogEntry.kind == "add_repo_notification")).one()
    assert hook["number_of_failures"] == 0


def test_what_loses_its_worker_again_and_again_is_given_up(desk: Desk, receiver: Receiver) -> None:
    hook = desk.notify("webhook", {"url": receiver.url()})
    desk.push()
    desk.work_once()
    with desk.database.write() as session:
        session.execute(update(Delivery).where(Delivery.kind == "webhook").values(attempts=8))
    desk.work()
    assert receiver.received == []
    assert (desk.log(hook)[0]["state"], desk.failures(hook)) == ("failed", 0)
    assert "lost again and again" in desk.log(hook)[0]["error"]


def test_a_row_that_nobody_can_send_harms_no_other(desk: Desk, receiver: Receiver) -> None:
    hook = desk.notify("webhook", {"url": receiver.url()})
    desk.push("bad")
    desk.work_once()
    with desk.database.write() as session:
        session.execute(update(Delivery).where(Delivery.kind == "webhook").values(kind="nosuch"))
    desk.push("good")
    desk.work()
    assert [request.json["updated_tags"] for request in receiver.received] == [["good"]]
    assert [entry["state"] for entry in desk.log(hook)] == ["delivered", "waiting"]
    assert "something unexpected" in desk.log(hook)[1]["error"]
