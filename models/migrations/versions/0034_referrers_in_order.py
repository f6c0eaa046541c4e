"""Referrers are found in the order in which they are listed, by an index without what refers to nothing.

Revision: 0034
After: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

REFERS = sa.text("subject IS NOT NULL")


def upgrade() -> None:
    columns = ["repository_id", "subject", "id"]
    op.create_index("ix_manifest_referrers", "manifest", columns, sqlite_where=REFERS, postgresql_where=REFERS)
    op.drop_index("ix_manifest_repository_id_subject", "manifest")


def downgrade() -> None:
    op.create_index("ix_manifest_repository_id_subject", "manifest", ["repository_id", "subject"])
    op.drop_index("ix_manifest_referrers", "manifest")
