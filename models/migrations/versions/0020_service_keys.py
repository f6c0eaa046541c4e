"""Public keys of services, the size of the registry, and application-specific tokens that can be shown again.

Revision: 0020
After: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("app_token", sa.Column("encrypted_token", sa.String(), nullable=True))
    op.create_table(
        "published_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kid", sa.String(length=255), nullable=False),
        sa.Column("service", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("jwk", sa.JSON(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approver_id", sa.Integer(), nullable=True),
        sa.Column("approval_type", sa.String(length=40), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notes", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approver_id"], ["account.id"], name="fk_published_key_approver_id_account", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_published_key"),
        sa.UniqueConstraint("kid", name="uq_published_key_kid"),
    )
    op.create_index("ix_published_key_service", "published_key", ["service"])
    op.create_index("ix_published_key_approver_id", "published_key", ["approver_id"])
    op.create_table(
        "registry_size",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registry_size"),
    )


def downgrade() -> None:
    op.drop_table("registry_size")
    op.drop_table("published_key")
    op.drop_column("app_token", "encrypted_token")
