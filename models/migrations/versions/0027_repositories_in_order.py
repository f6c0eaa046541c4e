"""The repositories of a namespace in the order of lists.

Revision: 0027
After: 0026
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_repository_namespace_id", "repository", ["namespace_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_repository_namespace_id", "repository")
