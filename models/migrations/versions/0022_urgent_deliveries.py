"""What is to be sent before the rest, and what is being sent.

Revision: 0022
After: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

WAITING = sa.text("state = 'waiting'")
TAKEN = sa.text("owner IS NOT NULL")


def upgrade() -> None:
    op.add_column("delivery", sa.Column("urgent", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_delivery_due", "delivery", ["urgent", "due_at"], sqlite_where=WAITING, postgresql_where=WAITING)
    op.create_index("ix_delivery_taken", "delivery", ["notification_id"], sqlite_where=TAKEN, postgresql_where=TAKEN)
    op.drop_index("ix_delivery_waiting", "delivery")


def downgrade() -> None:
    op.create_index("ix_delivery_waiting", "delivery", ["due_at"], sqlite_where=WAITING, postgresql_where=WAITING)
    op.drop_index("ix_delivery_taken", "delivery")
    op.drop_index("ix_delivery_due", "delivery")
    with op.batch_alter_table("delivery") as batch:
        batch.drop_column("urgent")
