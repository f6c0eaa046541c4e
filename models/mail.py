"""Mail to people. What is written here leaves by SMTP after the commit (`buildworker.smtp`).

Whoever offers something that needs mail asks the setting FEATURE_MAILING first: without it, mail is given up unsent.
"""

import re

from models import deliveries
from models.errors import Invalid
from models.names import check_email
from models.session import Session

KIND = "mail"
LONGEST_SUBJECT = 200
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0,;:<>()\[\]\"\\]")  # what separates addresses, or quotes, in a header


def send(session: Session, *, to: str, subject: str, text: str) -> None:
    """Send a plain text to one address once this transaction has committed; Invalid if it is not one address.

    Text and address are encrypted until they are sent, and forgotten then: a text may carry a code.
    """
    check_address(to)
    title = _UNPRINTABLE.sub(" ", subject).strip()[:LONGEST_SUBJECT]
    deliveries.send(session, KIND, {"to": to, "subject": title, "text": text})


def check_address(address: str) -> str:
    """The address, if mail can be sent to it and to nobody else."""
    if _FORBIDDEN.search(address):
        raise Invalid("Invalid email address")
    return check_email(address)


def is_address(text: str) -> bool:
    """Whether mail can be sent there."""
    try:
        check_address(text)
    except Invalid:
        return False
    return True
