"""Turns in the queue of builds, and whose fault a failure is.

Revision: 0025
After: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("failure", sa.String(length=14), nullable=True))
    op.create_table(
        "build_share",
        sa.Column("namespace_id", sa.Integer(), nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["account.id"], name="fk_build_share_namespace_id_account", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("namespace_id", name="pk_build_share"),
    )


def downgrade() -> None:
    op.drop_table("build_share")
    with op.batch_alter_table("job") as batch:
        batch.drop_column("failure")
