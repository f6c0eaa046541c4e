"""Notifications, from the event in the outbox to real receivers, by worker processes that may be killed."""

import json
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import update

from buildworker.errands import MOST_OF_A_NAMESPACE, SENDERS_AT_ONCE
from models.log_exports import Wish, path_of, queue_export
from models.tables import Manifest, Tag
from models.tables.base import now
from models.tags import now_ms
from models.users import get_user
from tests.factories.accounts import identity_of
from tests.factories.desk import ANN
from tests.factories.world import make_repository
from tests.integration.deliveries.conftest import Installation
from tests.services import process
from tests.services.process import wait_until
from tests.services.receiver import Receiver
from tests.services.smtp import Smtp


def test_a_push_reaches_everybody_within_two_seconds(
    installation: Installation, receiver: Receiver, smtp: Smtp
) -> None:
    secret = installation.notify("webhook", {"url": receiver.url()})
    installation.notify("slack", {"url": receiver.url("/slack")})
    installation.notify("email", {"email": "pushes@example.com"})
    installation.start_worker()
    begun = time.monotonic()
    installation.push("v1")
    request = receiver.wait()
    assert request.json["updated_tags"] == ["v1"]
    assert request.is_signed_with(secret)
    assert receiver.wait("/slack").json["text"] == "ann pushed v1 to acme/app"
    mail = smtp.await_mail_to("pushes@example.com")
    assert time.monotonic() - begun < 2
    assert mail.message["Subject"] == "ann pushed v1 to acme/app"
    assert "Tags: v1\r\nSee: http://localhost:8080/repository/acme/app\r\n" in mail.text
    wait_until(lambda: {row.state for row in installation.rows("email")} == {"delivered"}, seconds=5)


def test_a_receiver_that_does_not_answer_keeps_nobody_else_waiting(
    installation: Installation, receiver: Receiver, smtp: Smtp
) -> None:
    installation.notify("webhook", {"url": receiver.url("/held")})
    installation.notify("webhook", {"url": receiver.url("/quick")})
    installation.start_worker()
    begun = time.monotonic()
    for number in range(20):
        installation.push(f"v{number}")
    installation.send_mail("meanwhile@example.com")
    smtp.await_mail_to("meanwhile@example.com")
    receiver.wait("/quick", number=20)
    assert time.monotonic() - begun < 8
    assert len(receiver.at("/held")) == 1


def test_many_slow_receivers_of_one_namespace_keep_no_other_waiting(
    installation: Installation, receiver: Receiver
) -> None:
    with installation.database.write() as session:
        owner = get_user(session, "owner")
        make_repository(session, "owner/own", actor=identity_of(owner))
    for _ in range(SENDERS_AT_ONCE + 2):
        installation.notify("webhook", {"url": receiver.url("/held")})
    installation.notify("webhook", {"url": receiver.url("/quick")}, of="owner/own")
    installation.start_worker()
    installation.push("v1")
    receiver.wait("/held", number=MOST_OF_A_NAMESPACE)
    for number in range(5):
        installation.push(f"v{number}", to="owner/own")
    receiver.wait("/quick", number=5)
    assert len(receiver.at("/held")) == MOST_OF_A_NAMESPACE
    receiver.released.set()
    receiver.wait("/held", number=SENDERS_AT_ONCE + 2)


def test_a_worker_that_is_killed_in_the_middle_loses_nothing(installation: Installation, receiver: Receiver) -> None:
    installation.notify("webhook", {"url": receiver.url("/held")})
    worker = installation.start_worker()
    installation.push("held")
    receiver.wait("/held")
    os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: not worker.alive, seconds=10)
    installation.push("meanwhile")  # nobody is there to hear
    assert {row.state for row in installation.rows("webhook")} == {"waiting"}
    receiver.released.set()
    installation.start_worker()
    wait_until(lambda: [row.state for row in installation.rows("webhook")] == ["delivered"] * 2, seconds=10)
    first, again = (request for request in receiver.at("/held") if request.json["updated_tags"] == ["held"])
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert first.body == again.body
    assert len([request for request in receiver.at("/held") if request.json["updated_tags"] == ["meanwhile"]]) == 1


def test_the_scheduler_tells_of_tags_that_expire(installation: Installation, receiver: Receiver) -> None:
    installation.notify("webhook", {"url": receiver.url()}, "repo_image_expiry", days=2)
    with installation.database.write() as session:
        repository = installation.repository(session)
        manifest = Manifest(
            repository=repository,
            digest="sha256:0",
            media_type="x",
            content=b"{}",
            size=2,
            image_size=0,
            is_index=False,
        )
        session.add(manifest)
        session.flush()
        tag = Tag(repository_id=repository.id, name="soon", manifest=manifest, start_ms=now_ms())
        session.add(tag)
        session.flush()
        ends = now() + timedelta(days=1)
        session.execute(update(Tag).values(expires_ms=int(ends.timestamp() * 1000)))
    installation.start_worker()
    argv = [sys.executable, "-P", "-m", "cli.main", "scheduler"]
    env = {**os.environ, **installation.environ}
    process.start("scheduler", argv, ready=lambda: True, env=env, cwd=Path(__file__).parents[3])
    told = receiver.wait(seconds=20).json
    assert (told["tags"], told["expiring_in"], told["repository"]) == (["soon"], "2 days", "acme/app")


def test_an_exported_log_is_written_and_told_of_beside_the_deliveries(
    installation: Installation, receiver: Receiver, smtp: Smtp
) -> None:
    with installation.database.write() as session:
        app = installation.repository(session)
        period = (now() - timedelta(days=1), now() + timedelta(days=1))
        wish = Wish(app.namespace, app, *period, receiver.url("/export"), "logs@example.com")
        uuid = queue_export(session, installation.settings, wish, actor=ANN).uuid
    installation.start_worker("deliveries,reports")
    told = receiver.wait("/export").json
    assert (told["export_id"], told["status"], told["repository"]) == (uuid, "success", "app")
    assert told["exported_data_url"] in smtp.await_mail_to("logs@example.com").text
    file = json.loads((Path(installation.settings.data) / "storage" / path_of(uuid)).read_bytes())
    assert {entry["kind"] for entry in file["logs"][:-1]} >= {"create_repo", "export_logs_success"}
