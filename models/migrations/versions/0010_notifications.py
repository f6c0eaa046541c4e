"""Who wants to be told of what, and what users have been told.

Revision: 0010
After: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _notification()
    _repository_email()
    _user_notification()
    op.add_column("repository", sa.Column("tells_pushes", sa.Boolean(), server_default=sa.false(), nullable=False))


def _notification() -> None:
    op.create_table(
        "notification",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=True),
        sa.Column("namespace_id", sa.Integer(), nullable=True),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("method", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=True),
        sa.Column("encrypted_config", sa.String(), nullable=False),
        sa.Column("event_config", sa.JSON(), nullable=False),
        sa.Column("number_of_failures", sa.Integer(), nullable=False),
        sa.Column("encrypted_secret", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(repository_id IS NULL) <> (namespace_id IS NULL)", name=op.f("ck_notification_one_subject")
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_notification_repository_id_repository", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["account.id"], name="fk_notification_namespace_id_account", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notification"),
        sa.UniqueConstraint("uuid", name="uq_notification_uuid"),
    )
    op.create_index("ix_notification_repository_id_event", "notification", ["repository_id", "event"])
    op.create_index("ix_notification_namespace_id_event", "notification", ["namespace_id", "event"])
    op.create_index("ix_notification_event", "notification", ["event"])
    op.create_table(
        "told_expiry",
        sa.Column("notification_id", sa.Integer(), nullable=False),
        sa.Column("tag_id", BIG_ID, nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notification.id"],
            name="fk_told_expiry_notification_id_notification",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], name="fk_told_expiry_tag_id_tag", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("notification_id", "tag_id", "expires_ms", name="pk_told_expiry"),
    )
    op.create_index("ix_told_expiry_tag_id", "told_expiry", ["tag_id"])


def _repository_email() -> None:
    op.create_table(
        "repository_email",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repository.id"],
            name="fk_repository_email_repository_id_repository",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_repository_email"),
        sa.UniqueConstraint("repository_id", "email", name="uq_repository_email_repository_id_email"),
        sa.UniqueConstraint("code_hash", name="uq_repository_email_code_hash"),
    )


def _user_notification() -> None:
    op.create_table(
        "user_notification",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("dismissed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_user_notification_account_id_account", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_user_notification"),
        sa.UniqueConstraint("uuid", name="uq_user_notification_uuid"),
    )
    op.create_index("ix_user_notification_account_id_id", "user_notification", ["account_id", "id"])


def downgrade() -> None:
    with op.batch_alter_table("repository") as batch:
        batch.drop_column("tells_pushes")
    for table in ("user_notification", "repository_email", "told_expiry", "notification"):
        op.drop_table(table)
