"""What each repository uses, as a sum beside its manifests.

What the version before pushes meanwhile is not counted; `drydock quota audit --repair` sets it right afterwards.

Revision: 0026
After: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "repository_usage",
        sa.Column("repository_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repository.id"],
            name="fk_repository_usage_repository_id_repository",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", name="pk_repository_usage"),
    )
    op.execute(
        "INSERT INTO repository_usage (repository_id, size) SELECT needed.repository_id, SUM(blob.size) FROM "
        "(SELECT DISTINCT repository_id, blob_id FROM manifest_blob) AS needed "
        "JOIN blob ON blob.id = needed.blob_id GROUP BY needed.repository_id"
    )


def downgrade() -> None:
    op.drop_table("repository_usage")
