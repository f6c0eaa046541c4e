"""What changes whenever the rights in a namespace do; the triggers that write it are made after every upgrade.

Revision: 0033
After: 0032
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_TRIGGERS = {
    "account": ("update",),
    "permission": ("insert", "update", "delete"),
    "repository": ("update", "delete"),
    "team": ("update", "delete"),
    "team_member": ("insert", "update", "delete"),
}


def upgrade() -> None:
    op.create_table(
        "access_stamp",
        sa.Column("namespace_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stamp", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", name="pk_access_stamp"),
    )
    namespaces = sa.table("account", sa.column("id"), sa.column("kind"))
    new = (
        sa.func.gen_random_uuid() if op.get_bind().dialect.name == "postgresql" else sa.func.hex(sa.func.randomblob(16))
    )
    first = sa.select(namespaces.c.id, sa.cast(new, sa.String(64))).where(namespaces.c.kind != "robot")
    stamps = sa.table("access_stamp", sa.column("namespace_id"), sa.column("stamp"))
    op.execute(sa.insert(stamps).from_select(["namespace_id", "stamp"], first))


def downgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for table, events in _TRIGGERS.items():
        for event in events:
            if on_postgresql:
                op.execute(f"DROP FUNCTION IF EXISTS stamp_{table}_{event}() CASCADE")
            else:
                op.execute(f"DROP TRIGGER IF EXISTS stamp_{table}_{event}")
    op.drop_table("access_stamp")
