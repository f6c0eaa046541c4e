"""The keys about mail: whether it is sent, and by which server."""

from pydantic import Field

from config.group import Group
from config.kinds import Flag, Host, Password, Port, Sender, Text


class MailKeys(Group):
    title = "Mail"

    FEATURE_MAILING: Flag = Field(
        default=False,
        description="Mail is sent: confirmations, recovery of accounts, invitations, notifications. Without it, what "
        "needs mail is not offered.",
    )
    MAIL_SERVER: Host = Field(default="localhost", description="SMTP server that takes mail from here.")
    MAIL_PORT: Port = Field(default=587, description="Its port.")
    MAIL_USE_TLS: Flag = Field(
        default=True,
        description="Send over TLS only: from the first byte on port 465, else by STARTTLS. The server's certificate "
        "is verified.",
    )
    MAIL_USE_AUTH: Flag = Field(
        default=False, description="The SMTP server wants MAIL_USERNAME and MAIL_PASSWORD, so they must be set."
    )
    MAIL_USERNAME: Text | None = Field(
        default=None, description="User name for the SMTP server. Not set: nobody logs in there."
    )
    MAIL_PASSWORD: Password | None = Field(default=None, description="Password for the SMTP server.")
    MAIL_DEFAULT_SENDER: Sender | None = Field(
        default=None,
        description="Sender of all mail: an address, or `Name <address>`. Not set: `no-reply` at the host of "
        "SERVER_HOSTNAME.",
    )
