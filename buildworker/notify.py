"""Sending what a notification tells, by each of its methods."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from buildworker import smtp
from buildworker.outbound import Outbound
from buildworker.runtime import Runtime
from buildworker.webhooks import post_json, without_path
from config.settings import Settings
from models.announcements import subject_of
from models.deliveries import Attempt, Outcome, Told
from models.errors import DomainError, Upstream
from models.event_texts import facts, summary
from models.events import Level, level_of
from models.json_template import JsonTemplate
from models.notifications import MOST_FAILURES, config_of, secret_of
from models.redaction import without_query
from models.session import Session
from models.tables import Notification

DISABLED = f"nothing is sent any more after {MOST_FAILURES} deliveries that failed; reset the notification's failures"
_COLORS: Mapping[Level, str] = {
    "info": "#ffffff",
    "warning": "warning",
    "error": "danger",
    "success": "good",
    "primary": "good",
}
"""Of a message in Slack, as Quay's."""


@dataclass(frozen=True)
class Letter:
    """One thing to send: what is told, and what the method needs to know."""

    uuid: str
    told: Told
    config: dict[str, Any]
    secret: str | None
    title: str
    to: str

    @property
    def summary(self) -> str:
        return summary(self.told.event, self.told.data, self.told.performer)


def send(runtime: Runtime, attempt: Attempt, told: Told) -> Outcome:
    """Make the attempt. It counts against the notification unless there was none (`request` is None)."""
    with runtime.database.read() as session:
        notification = session.get(Notification, told.notification_id)
        if notification is None:
            return Outcome(error="the notification was removed", final=True)
        if notification.number_of_failures >= MOST_FAILURES and not told.forced:
            return Outcome(error=DISABLED, final=True)
        letter = _letter(session, attempt, told, notification)
    outbound = Outbound(runtime.settings.OUTBOUND_ALLOWED_PRIVATE_HOSTS)
    return SENDERS[attempt.kind](runtime.settings, outbound, letter)


def _letter(session: Session, attempt: Attempt, told: Told, notification: Notification) -> Letter:
    return Letter(
        attempt.uuid,
        told,
        config_of(session, notification),
        secret_of(session, notification),
        notification.title or "",
        subject_of(notification).path,
    )


def _send_webhook(_: Settings, outbound: Outbound, letter: Letter) -> Outcome:
    url, template = letter.config["url"], letter.config.get("template")
    content = JsonTemplate.parse(template, subject="template").fill(letter.told.data) if template else letter.told.data
    shown = without_query(url)
    return post_json(outbound, url, content, secret=letter.secret, message_id=letter.told.message_id, shown=shown)


def _send_slack(settings: Settings, outbound: Outbound, letter: Letter) -> Outcome:
    url = letter.config["url"]
    line = _for_slack(letter.summary)
    text = "\n".join(f"*{label}:* {_for_slack(value)}" for label, value in facts(letter.told.data))
    color = _COLORS[level_of(letter.told.event, letter.told.data)]
    attachment = {"fallback": line, "text": text, "color": color, "mrkdwn_in": ["text"]}
    content = {"text": line, "username": settings.REGISTRY_TITLE, "attachments": [attachment]}
    return post_json(outbound, url, content, secret=None, message_id="", shown=without_path(url))


def _for_slack(text: str) -> str:
    """Slack reads these three characters as its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _send_mail(settings: Settings, _: Outbound, letter: Letter) -> Outcome:
    email = letter.config["email"]
    rows = "\n".join(f"{label}: {value}" for label, value in facts(letter.told.data))
    name = f" “{letter.title}”" if letter.title else ""
    why = f"This address is told by the notification{name} of {letter.to} at {settings.url}."
    text = f"{letter.summary}.\n\n{rows}\n\n-- \n{why}\n"
    request = {"to": email, "subject": letter.summary, "body": text}
    try:
        smtp.send(settings, uuid=letter.uuid, to=email, subject=letter.summary, text=text)
    except DomainError as exc:
        return Outcome(error=exc.detail, final=not isinstance(exc, Upstream), request=request)
    return Outcome(request=request)


SENDERS: Mapping[str, Callable[[Settings, Outbound, Letter], Outcome]] = {
    "email": _send_mail,
    "slack": _send_slack,
    "webhook": _send_webhook,
}
"""What sends by each method; what is told inside of the product needs no sending."""
