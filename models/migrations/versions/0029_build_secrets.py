"""Secrets of triggers, and logins at other registries.

Revision: 0029
After: 0028
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trigger_secret",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trigger_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("encrypted_value", sa.String(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["trigger_id"], ["build_trigger.id"], name="fk_trigger_secret_trigger_id_build_trigger", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_trigger_secret"),
        sa.UniqueConstraint("trigger_id", "name", name="uq_trigger_secret_trigger_id_name"),
    )
    op.create_table(
        "registry_credential",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=True),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("username", sa.String(length=255), nullable=False),
        sa.Column("encrypted_password", sa.String(), nullable=False),
        sa.Column("changed_by", sa.String(length=511), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["account.id"], name="fk_registry_credential_namespace_id_account", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repository.id"],
            name="fk_registry_credential_repository_id_repository",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_registry_credential"),
    )
    op.create_index("ix_registry_credential_namespace_id", "registry_credential", ["namespace_id"])
    for owner, condition in (("namespace", "repository_id IS NULL"), ("repository", "repository_id IS NOT NULL")):
        op.create_index(
            f"uq_registry_credential_{owner}",
            "registry_credential",
            [f"{owner}_id", "host"],
            unique=True,
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )


def downgrade() -> None:
    op.drop_table("registry_credential")
    op.drop_table("trigger_secret")
