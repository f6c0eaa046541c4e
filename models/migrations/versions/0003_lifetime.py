"""For how long the tags of an image live, by its label.

Revision: 0003
After: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("manifest", sa.Column("lifetime_s", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("manifest", "lifetime_s")
