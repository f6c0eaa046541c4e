"""How many days before a tag's end a notification tells it.

Revision: 0019
After: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notification", sa.Column("days_ahead", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("notification", "days_ahead")
