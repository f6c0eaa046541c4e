"""Mail, from the row in the outbox to a real SMTP server, by worker processes that may be killed."""

import os
import signal
import socket
import time
from pathlib import Path

from redis import Redis

from tests.integration.deliveries.conftest import Installation
from tests.services.process import wait_until
from tests.services.smtp import Smtp


def test_mail_arrives_as_it_was_written(installation: Installation, smtp: Smtp) -> None:
    installation.start_worker()
    begun = time.monotonic()
    uuid = installation.send_mail("ann@example.com", "Grüße aus dem Dock", "Ihr Code: 123456\n.\nEnde ✓\n")
    mail = smtp.await_mail_to("ann@example.com")
    assert time.monotonic() - begun < 2
    assert mail.sender == "drydock@example.com"
    assert mail.recipients == ["ann@example.com"]
    assert mail.message["From"] == "Drydock <drydock@example.com>"
    assert mail.message["Subject"] == "Grüße aus dem Dock"
    assert mail.message["Message-ID"] == f"<{uuid}@localhost>"
    assert mail.text.replace("\r\n", "\n") == "Ihr Code: 123456\n.\nEnde ✓\n"
    assert installation.await_state(uuid, "delivered").encrypted_message is None


def test_a_server_that_says_later_is_asked_again_and_one_that_says_never_is_not(
    installation: Installation, smtp: Smtp
) -> None:
    installation.start_worker()
    later, never = installation.send_mail("later@example.com"), installation.send_mail("nobody@example.com")
    assert "550 no such mailbox" in str(installation.await_state(never, "failed").error)
    smtp.await_mail_to("later@example.com", seconds=15)
    assert installation.await_state(later, "delivered").attempts == 2


def test_a_worker_that_is_killed_while_it_sends_loses_nothing(installation: Installation, smtp: Smtp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never says a word
        worker = installation.start_worker(MAIL_PORT=str(silent.getsockname()[1]))
        uuids = [installation.send_mail(f"killed{number}@example.com") for number in range(3)]
        wait_until(lambda: all(installation.row(uuid).attempts for uuid in uuids), seconds=10)
        os.kill(worker.pid, signal.SIGKILL)
        wait_until(lambda: not worker.alive, seconds=10)
    assert {installation.row(uuid).state for uuid in uuids} == {"waiting"}
    installation.start_worker()
    for number, uuid in enumerate(uuids):
        smtp.await_mail_to(f"killed{number}@example.com")
        assert installation.await_state(uuid, "delivered").attempts == 2


def test_one_command_runs_a_process_for_either_sort_of_queue_and_ends_soon(
    installation: Installation, smtp: Smtp
) -> None:
    worker = installation.start_worker("deliveries,builds")  # two processes under one
    installation.send_mail("both@example.com")
    smtp.await_mail_to("both@example.com")
    begun = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - begun < 5


def test_without_redis_mail_leaves_all_the_same(installation: Installation, smtp: Smtp, tmp_path: Path) -> None:
    uuid = installation.send_mail("unheard@example.com")
    with Redis.from_url(installation.environ["DRYDOCK_REDIS_URL"]) as redis:
        redis.flushdb()  # the wake-up is gone
    installation.start_worker(REDIS_URL=f"unix://{tmp_path}/no-redis")
    smtp.await_mail_to("unheard@example.com")
    installation.await_state(uuid, "delivered")
