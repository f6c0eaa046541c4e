"""Marks for collection, keys that protect what manifests need, and what namespaces use and may.

Revision: 0002
After: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _new_tables()
    _marks()
    _partial_indexes()
    _fill()
    with op.batch_alter_table("manifest_blob") as batch_op:
        batch_op.drop_index("ix_manifest_blob_blob_id")
        batch_op.drop_constraint("fk_manifest_blob_blob_id_blob", type_="foreignkey")
        batch_op.drop_constraint("fk_manifest_blob_repository_id_repository", type_="foreignkey")
        batch_op.create_foreign_key(
            "fk_manifest_blob_repository_id_repository_blob",
            "repository_blob",
            ["repository_id", "blob_id"],
            ["repository_id", "blob_id"],
        )
        batch_op.create_foreign_key(
            "fk_manifest_blob_namespace_id_namespace_blob",
            "namespace_blob",
            ["namespace_id", "blob_id"],
            ["namespace_id", "blob_id"],
        )
        batch_op.create_index("ix_manifest_blob_blob_id_namespace_id", ["blob_id", "namespace_id"])


def _new_tables() -> None:
    op.create_table(
        "garbage",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_garbage"),
    )
    op.create_index("ix_garbage_due_at", "garbage", ["due_at"])
    op.create_table(
        "round",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_round"),
    )
    op.create_table(
        "namespace_blob",
        sa.Column("namespace_id", sa.Integer(), nullable=False),
        sa.Column("blob_id", BIG_ID, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["account.id"], name="fk_namespace_blob_namespace_id_account", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["blob_id"], ["blob.id"], name="fk_namespace_blob_blob_id_blob"),
        sa.PrimaryKeyConstraint("namespace_id", "blob_id", name="pk_namespace_blob"),
    )
    op.create_index("ix_namespace_blob_blob_id", "namespace_blob", ["blob_id"])
    op.create_table(
        "namespace_usage",
        sa.Column("namespace_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["account.id"], name="fk_namespace_usage_namespace_id_account", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("namespace_id", name="pk_namespace_usage"),
    )
    op.create_table(
        "quota",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=False),
        sa.Column("limit_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["account.id"], name="fk_quota_namespace_id_account", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_quota"),
        sa.UniqueConstraint("namespace_id", name="uq_quota_namespace_id"),
    )
    op.create_table(
        "quota_limit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("quota_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("threshold_percent", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["quota_id"], ["quota.id"], name="fk_quota_limit_quota_id_quota", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_quota_limit"),
        sa.UniqueConstraint(
            "quota_id", "kind", "threshold_percent", name="uq_quota_limit_quota_id_kind_threshold_percent"
        ),
    )


def _marks() -> None:
    """With the defaults, what is there already is looked at once."""
    with op.batch_alter_table("blob") as batch_op:
        batch_op.add_column(sa.Column("loose", sa.Boolean(), server_default=sa.true(), nullable=False))
    with op.batch_alter_table("repository_blob") as batch_op:
        batch_op.add_column(sa.Column("settled", sa.Boolean(), server_default=sa.false(), nullable=False))
    with op.batch_alter_table("manifest") as batch_op:
        batch_op.add_column(sa.Column("settled", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(
            sa.Column(
                "touched_at",
                sa.DateTime(timezone=True),
                server_default=sa.func.current_timestamp(),
                nullable=False,
            )
        )
    with op.batch_alter_table("manifest_blob") as batch_op:
        batch_op.add_column(sa.Column("namespace_id", sa.Integer(), nullable=True))


def _partial_indexes() -> None:
    for name, table, columns, sqlite, postgresql in (
        ("ix_blob_loose", "blob", ["id"], "loose = 1", "loose"),
        ("ix_repository_blob_unsettled", "repository_blob", ["linked_at"], "settled = 0", "NOT settled"),
        ("ix_manifest_unsettled", "manifest", ["touched_at", "id"], "settled = 0", "NOT settled"),
        ("ix_tag_ended", "tag", ["repository_id", "end_ms"], "end_ms IS NOT NULL", "end_ms IS NOT NULL"),
        ("ix_repository_marked", "repository", ["id"], *["state = 'MARKED_FOR_DELETION'"] * 2),
        ("ix_account_deleted", "account", ["id"], *["kind = 'deleted'"] * 2),
    ):
        op.create_index(name, table, columns, sqlite_where=sa.text(sqlite), postgresql_where=sa.text(postgresql))


def _fill() -> None:
    for statement in (
        "UPDATE manifest_blob SET namespace_id = "
        "(SELECT namespace_id FROM repository WHERE repository.id = manifest_blob.repository_id)",
        "INSERT INTO namespace_blob (namespace_id, blob_id, size) "
        "SELECT DISTINCT manifest_blob.namespace_id, blob.id, blob.size "
        "FROM manifest_blob JOIN blob ON blob.id = manifest_blob.blob_id",
        "INSERT INTO namespace_usage (namespace_id, size) "
        "SELECT namespace_id, SUM(size) FROM namespace_blob GROUP BY namespace_id",
        # No version wrote a manifest without its links; were one missing, the new key could not be made.
        "INSERT INTO repository_blob (repository_id, blob_id, linked_at) "
        "SELECT DISTINCT repository_id, blob_id, CURRENT_TIMESTAMP FROM manifest_blob WHERE NOT EXISTS (SELECT 1 "
        "FROM repository_blob AS link WHERE link.repository_id = manifest_blob.repository_id "
        "AND link.blob_id = manifest_blob.blob_id)",
    ):
        op.execute(statement)


def downgrade() -> None:
    with op.batch_alter_table("manifest_blob") as batch_op:
        batch_op.drop_index("ix_manifest_blob_blob_id_namespace_id")
        batch_op.drop_constraint("fk_manifest_blob_repository_id_repository_blob", type_="foreignkey")
        batch_op.drop_constraint("fk_manifest_blob_namespace_id_namespace_blob", type_="foreignkey")
        batch_op.create_foreign_key("fk_manifest_blob_blob_id_blob", "blob", ["blob_id"], ["id"])
        batch_op.create_foreign_key(
            "fk_manifest_blob_repository_id_repository", "repository", ["repository_id"], ["id"], ondelete="CASCADE"
        )
        batch_op.drop_column("namespace_id")
        batch_op.create_index("ix_manifest_blob_blob_id", ["blob_id"])
    op.drop_index("ix_account_deleted", table_name="account")
    op.drop_index("ix_repository_marked", table_name="repository")
    op.drop_index("ix_tag_ended", table_name="tag")
    with op.batch_alter_table("manifest") as batch_op:
        batch_op.drop_index("ix_manifest_unsettled")
        batch_op.drop_column("touched_at")
        batch_op.drop_column("settled")
    with op.batch_alter_table("repository_blob") as batch_op:
        batch_op.drop_index("ix_repository_blob_unsettled")
        batch_op.drop_column("settled")
    with op.batch_alter_table("blob") as batch_op:
        batch_op.drop_index("ix_blob_loose")
        batch_op.drop_column("loose")
    for table in ("quota_limit", "quota", "namespace_usage", "namespace_blob", "round", "garbage"):
        op.drop_table(table)
