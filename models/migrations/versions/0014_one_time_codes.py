"""Codes that mail carries, and what people are asked for.

Revision: 0014
After: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "one_time_code",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(length=8), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_one_time_code_account_id_account", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_one_time_code"),
        sa.UniqueConstraint("code_hash", name="uq_one_time_code_code_hash"),
    )
    op.create_index("ix_one_time_code_account_id", "one_time_code", ["account_id"])
    op.create_index("ix_one_time_code_expires_at", "one_time_code", ["expires_at"])
    op.add_column("account", sa.Column("prompts", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("account", "prompts")
    op.drop_table("one_time_code")
