"""Images that builds take steps over from.

Revision: 0032
After: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "build_cache",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("manifest_id", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_build_cache_repository_id_repository", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifest.id"], name="fk_build_cache_manifest_id_manifest", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_build_cache"),
        sa.UniqueConstraint("repository_id", "name", name="uq_build_cache_repository_id_name"),
    )
    op.create_index("ix_build_cache_manifest_id", "build_cache", ["manifest_id"])
    op.create_index("ix_build_cache_used_at", "build_cache", ["used_at"])


def downgrade() -> None:
    op.drop_table("build_cache")
