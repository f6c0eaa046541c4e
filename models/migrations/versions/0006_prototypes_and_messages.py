"""Default permissions of new repositories, and messages to everybody.

Revision: 0006
After: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("severity", sa.String(length=8), nullable=False),
        sa.Column("media_type", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("uuid", name=op.f("uq_message_uuid")),
    )
    op.create_table(
        "prototype",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("activating_account_id", sa.Integer(), nullable=True),
        sa.Column("delegate_account_id", sa.Integer(), nullable=True),
        sa.Column("delegate_team_id", sa.Integer(), nullable=True),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.CheckConstraint(
            "(delegate_account_id IS NULL) <> (delegate_team_id IS NULL)", name=op.f("ck_prototype_one_delegate")
        ),
        *(
            sa.ForeignKeyConstraint(
                [column], [f"{table}.id"], name=op.f(f"fk_prototype_{column}_{table}"), ondelete="CASCADE"
            )
            for column, table in REFERENCES
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prototype")),
        sa.UniqueConstraint("uuid", name=op.f("uq_prototype_uuid")),
    )
    for column, _ in REFERENCES:
        op.create_index(op.f(f"ix_prototype_{column}"), "prototype", [column])


def downgrade() -> None:
    op.drop_table("prototype")
    op.drop_table("message")


REFERENCES = (
    ("organization_id", "account"),
    ("activating_account_id", "account"),
    ("delegate_account_id", "account"),
    ("delegate_team_id", "team"),
)
