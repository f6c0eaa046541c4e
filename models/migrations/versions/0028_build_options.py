"""Arguments, options and secrets of builds.

Revision: 0028
After: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("build", sa.Column("build_args", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("build", sa.Column("options", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("build", sa.Column("encrypted_secrets", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("build", "encrypted_secrets")
    op.drop_column("build", "options")
    op.drop_column("build", "build_args")
