"""Build triggers, and the deliveries of webhooks.

Revision: 0007
After: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "build_trigger",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=False),
        sa.Column("service", sa.String(length=12), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.String(length=40), nullable=True),
        sa.Column("pull_robot_id", sa.Integer(), nullable=True),
        sa.Column("created_by", sa.String(length=511), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("internal_errors", sa.Integer(), nullable=False),
        sa.Column("encrypted_write_token", sa.String(), nullable=True),
        sa.Column("encrypted_hook_secret", sa.String(), nullable=True),
        sa.Column("encrypted_private_key", sa.String(), nullable=True),
        sa.Column("encrypted_auth_token", sa.String(), nullable=True),
        sa.Column("known_hosts", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_build_trigger_repository_id_repository", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["pull_robot_id"], ["account.id"], name="fk_build_trigger_pull_robot_id_account", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_build_trigger"),
        sa.UniqueConstraint("uuid", name="uq_build_trigger_uuid"),
    )
    op.create_index("ix_build_trigger_repository_id", "build_trigger", ["repository_id"])
    op.create_index("ix_build_trigger_pull_robot_id", "build_trigger", ["pull_robot_id"])
    op.create_table(
        "inbound_event",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("trigger_id", sa.Integer(), nullable=False),
        sa.Column("delivery_id", sa.String(length=255), nullable=True),
        sa.Column("event", sa.String(length=80), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("verified", sa.String(length=20), nullable=True),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("build_uuid", sa.String(length=36), nullable=True),
        sa.Column("redelivery_of", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["trigger_id"], ["build_trigger.id"], name="fk_inbound_event_trigger_id_build_trigger", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_inbound_event"),
        sa.UniqueConstraint("uuid", name="uq_inbound_event_uuid"),
        sa.UniqueConstraint("trigger_id", "delivery_id", name="uq_inbound_event_trigger_id_delivery_id"),
    )
    op.create_index("ix_inbound_event_trigger_id_id", "inbound_event", ["trigger_id", "id"])
    op.create_index("ix_inbound_event_received_at", "inbound_event", ["received_at"])
    with op.batch_alter_table("build") as batch_op:
        batch_op.add_column(sa.Column("trigger_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key(
            "fk_build_trigger_id_build_trigger", "build_trigger", ["trigger_id"], ["id"], ondelete="SET NULL"
        )
        batch_op.create_index("ix_build_trigger_id", ["trigger_id"])


def downgrade() -> None:
    with op.batch_alter_table("build") as batch_op:
        batch_op.drop_index("ix_build_trigger_id")
        batch_op.drop_constraint("fk_build_trigger_id_build_trigger", type_="foreignkey")
        batch_op.drop_column("trigger_id")
    op.drop_table("inbound_event")
    op.drop_table("build_trigger")
