"""What notifications sent, and what came back.

Revision: 0015
After: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("delivery") as batch:
        batch.add_column(sa.Column("max_attempts", sa.Integer(), server_default=sa.text("8"), nullable=False))
        batch.add_column(sa.Column("notification_id", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("event", sa.String(length=40), nullable=True))
        batch.add_column(sa.Column("payload", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("message_id", sa.String(length=40), nullable=True))
        batch.add_column(sa.Column("forced", sa.Boolean(), nullable=True))
        batch.create_foreign_key(
            "fk_delivery_notification_id_notification",
            "notification",
            ["notification_id"],
            ["id"],
            ondelete="CASCADE",
        )
        batch.create_index("ix_delivery_notification_id_id", ["notification_id", "id"])
    op.create_table(
        "delivery_attempt",
        sa.Column("delivery_id", BIG_ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name="fk_delivery_attempt_delivery_id_delivery", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", name="pk_delivery_attempt"),
    )


def downgrade() -> None:
    op.drop_table("delivery_attempt")
    with op.batch_alter_table("delivery") as batch:
        batch.drop_index("ix_delivery_notification_id_id")
        batch.drop_constraint("fk_delivery_notification_id_notification", type_="foreignkey")
        for name in ("forced", "message_id", "payload", "event", "notification_id", "max_attempts"):
            batch.drop_column(name)
