"""An index by which what a person did in a namespace is counted.

Revision: 0035
After: 0034
"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_log_entry_namespace_id_person_at",
        "log_entry",
        ["namespace_id", "performer", "at", "kind"],
        sqlite_where=sa.text("instr(performer, '+') = 0"),
        postgresql_where=sa.text("strpos(performer, '+') = 0"),
    )


def downgrade() -> None:
    op.drop_index("ix_log_entry_namespace_id_person_at", "log_entry")
