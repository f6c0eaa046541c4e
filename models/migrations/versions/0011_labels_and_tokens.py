"""Labels that are attached to manifests, and tokens of repositories that can be shown again.

Revision: 0011
After: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("repository_token", sa.Column("encrypted_token", sa.String(), nullable=True))
    op.create_table(
        "manifest_label",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("manifest_id", BIG_ID, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifest.id"], name="fk_manifest_label_manifest_id_manifest", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_manifest_label"),
        sa.UniqueConstraint("uuid", name="uq_manifest_label_uuid"),
    )
    op.create_index("ix_manifest_label_manifest_id", "manifest_label", ["manifest_id"])


def downgrade() -> None:
    op.drop_table("manifest_label")
    op.drop_column("repository_token", "encrypted_token")
