"""The action log by performer and by kind, and how much happened on each day.

Revision: 0012
After: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

RARE = sa.text("kind <> 'pull_repo'")
BY_KIND = (
    ("ix_log_entry_kind_at", ["kind", "at"]),
    ("ix_log_entry_namespace_id_kind_at", ["namespace_id", "kind", "at"]),
    ("ix_log_entry_repository_id_kind_at", ["repository_id", "kind", "at"]),
)


def upgrade() -> None:
    op.create_table(
        "log_count",
        sa.Column("subject", sa.String(length=10), nullable=False),
        sa.Column("subject_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("performer", sa.String(length=511), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "subject_id", "performer", "day", "kind", name="pk_log_count"),
    )
    for name, columns in BY_KIND:
        op.create_index(name, "log_entry", columns, sqlite_where=RARE, postgresql_where=RARE)
    op.create_index("ix_log_entry_performer_at", "log_entry", ["performer", "at"])
    op.drop_index("ix_log_entry_performer_id_at", table_name="log_entry")


def downgrade() -> None:
    op.create_index("ix_log_entry_performer_id_at", "log_entry", ["performer_id", "at"])
    op.drop_index("ix_log_entry_performer_at", table_name="log_entry")
    for name, _ in BY_KIND:
        op.drop_index(name, table_name="log_entry")
    op.drop_table("log_count")
    op.execute("DELETE FROM round WHERE name = 'count the log'")
