"""Handing mail to the server that the settings name."""

import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from config.settings import Settings
from models.errors import DomainError, Invalid, Upstream

_TIMEOUT_S = 15.0  # of each of the steps, which all together stay below `models.deliveries.LEASE`
_PORT_OF_TLS = 465  # where TLS comes first; everywhere else it is asked for (STARTTLS)


def send(settings: Settings, *, uuid: str, to: str, subject: str, text: str) -> None:
    """Hand the mail over. Invalid: it will never be taken; Upstream: it may be at another time.

    `uuid` becomes part of its Message-ID: what is sent twice by mischance can be known as the same.
    """
    if not settings.FEATURE_MAILING:
        raise Invalid("mail is not configured here: FEATURE_MAILING is false")
    message = _message(settings, uuid, to, subject, text)
    try:
        with _connect(settings) as server:
            server.send_message(message, from_addr=settings.mail_sender_address, to_addrs=[to])
    except (smtplib.SMTPException, OSError) as exc:
        raise _judged(settings, exc) from exc


def _message(settings: Settings, uuid: str, to: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)  # which refuses headers with line breaks
    message["From"] = settings.mail_sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{uuid}@{settings.hostname}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def _connect(settings: Settings) -> smtplib.SMTP:
    place = (settings.MAIL_SERVER, settings.MAIL_PORT)
    if settings.MAIL_USE_TLS and settings.MAIL_PORT == _PORT_OF_TLS:
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(*place, settings.hostname, timeout=_TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(*place, settings.hostname, timeout=_TIMEOUT_S)
    try:
        if settings.MAIL_USE_TLS and settings.MAIL_PORT != _PORT_OF_TLS:
            server.starttls(context=ssl.create_default_context())
        if settings.MAIL_USERNAME and settings.MAIL_PASSWORD:
            server.login(settings.MAIL_USERNAME, settings.MAIL_PASSWORD.get_secret_value())
    except BaseException:
        server.close()
        raise
    return server


def _judged(settings: Settings, exc: smtplib.SMTPException | OSError) -> DomainError:
    """Whether another try may help: not if the server refuses for good this recipient or this text."""
    where = f"{settings.MAIL_SERVER}:{settings.MAIL_PORT}"
    if isinstance(exc, smtplib.SMTPRecipientsRefused):
        code, said = next(iter(exc.recipients.values()))
        return (Invalid if code >= 500 else Upstream)(f"{where} refuses the recipient: {_answer(code, said)}")
    if isinstance(exc, smtplib.SMTPResponseException):
        told = f"{where} refuses: {_answer(exc.smtp_code, exc.smtp_error)}"
        for_good = isinstance(exc, smtplib.SMTPDataError) and exc.smtp_code >= 500
        return (Invalid if for_good else Upstream)(told)
    if isinstance(exc, ssl.SSLCertVerificationError):
        return Upstream(f"{where} has no valid certificate: {exc.verify_message}")
    return Upstream(f"{where} does not take mail: {exc}")


def _answer(code: int, said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return f"{code} {' '.join(text.split())[:200]}"
