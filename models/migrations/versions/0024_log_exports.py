"""Exports of the action log.

Revision: 0024
After: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_export",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("namespace", sa.String(length=511), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=False),
        sa.Column("repository", sa.String(length=255), nullable=True),
        sa.Column("repository_id", sa.Integer(), nullable=True),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("encrypted_callback", sa.String(), nullable=True),
        sa.Column("performer_id", sa.Integer(), nullable=True),
        sa.Column("performer", sa.String(length=511), nullable=True),
        sa.Column("status", sa.String(length=12), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_log_export"),
        sa.UniqueConstraint("uuid", name="uq_log_export_uuid"),
    )
    op.create_index("ix_log_export_namespace_id", "log_export", ["namespace_id"])
    op.create_index("ix_log_export_expires_at", "log_export", ["expires_at"])


def downgrade() -> None:
    op.drop_table("log_export")
