"""Immutability policies of namespaces and repositories.

Revision: 0021
After: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("account", "repository"):
        op.add_column(table, sa.Column("fixes_tags", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "immutability_policy",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=True),
        sa.Column("tag_pattern", sa.String(length=256), nullable=False),
        sa.Column("tag_pattern_matches", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["account.id"], name="fk_immutability_policy_namespace_id_account", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repository.id"],
            name="fk_immutability_policy_repository_id_repository",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_immutability_policy"),
        sa.UniqueConstraint("uuid", name="uq_immutability_policy_uuid"),
    )
    op.create_index("ix_immutability_policy_namespace_id", "immutability_policy", ["namespace_id"])
    for name, column, where in (
        ("uq_immutability_policy_namespace", "namespace_id", "repository_id IS NULL"),
        ("uq_immutability_policy_repository", "repository_id", "repository_id IS NOT NULL"),
    ):
        op.create_index(
            name,
            "immutability_policy",
            [column, "tag_pattern"],
            unique=True,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )


def downgrade() -> None:
    op.drop_table("immutability_policy")
    for table in ("repository", "account"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("fixes_tags")
