"""Auto-prune policies of namespaces and repositories.

Revision: 0023
After: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "prune_policy",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=True),
        sa.Column("method", sa.String(length=20), nullable=False),
        sa.Column("value", sa.String(length=16), nullable=False),
        sa.Column("tag_pattern", sa.String(length=256), nullable=True),
        sa.Column("tag_pattern_matches", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["account.id"], name="fk_prune_policy_namespace_id_account", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_prune_policy_repository_id_repository", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_prune_policy"),
        sa.UniqueConstraint("uuid", name="uq_prune_policy_uuid"),
    )
    for column in ("namespace_id", "repository_id", "due_at"):
        op.create_index(f"ix_prune_policy_{column}", "prune_policy", [column])


def downgrade() -> None:
    op.drop_table("prune_policy")
