"""Whom other services may vouch for as a robot.

Revision: 0016
After: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "robot_federation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("robot_id", sa.Integer(), nullable=False),
        sa.Column("issuer", sa.String(2048), nullable=False),
        sa.Column("subject", sa.String(2048), nullable=False),
        sa.Column("audiences", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["robot_id"], ["account.id"], ondelete="CASCADE", name="fk_robot_federation_robot_id_account"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_robot_federation"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_robot_federation_robot_id", "robot_federation", ["robot_id"])


def downgrade() -> None:
    op.drop_table("robot_federation")
