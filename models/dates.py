"""Dates as Quay spells them."""

from datetime import UTC, datetime
from email.utils import format_datetime


def http_date(moment: datetime) -> str:
    """RFC 2822 in UTC: `Fri, 20 Nov 2026 14:46:26 -0000`."""
    return format_datetime(moment.astimezone(UTC).replace(tzinfo=None))
