# ruff: noqa: PLR0915 - one statement for each table and index
"""The tables of the first release.

Revision: 0001
After: an empty database
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=511), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tag_expiration_s", sa.Integer(), nullable=False),
        sa.Column("invoice_email", sa.Boolean(), nullable=False),
        sa.Column("invoice_email_address", sa.String(length=255), nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("superuser", sa.Boolean(), nullable=False),
        sa.Column("failed_logins", sa.Integer(), nullable=False),
        sa.Column("last_failed_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_accessed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_name", sa.String(length=255), nullable=True),
        sa.Column("family_name", sa.String(length=255), nullable=True),
        sa.Column("company", sa.String(length=255), nullable=True),
        sa.Column("location", sa.String(length=255), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("encrypted_token", sa.String(), nullable=True),
        sa.Column("description", sa.String(length=255), nullable=True),
        sa.Column("unstructured_metadata", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["account.id"], name=op.f("fk_account_owner_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("name", name=op.f("uq_account_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_account_uuid")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("account") as batch_op:
        batch_op.create_index(batch_op.f("ix_account_owner_id"), ["owner_id"])
        batch_op.create_index(
            "uq_account_user_email",
            ["email"],
            unique=True,
            sqlite_where=sa.text("kind = 'user'"),
            postgresql_where=sa.text("kind = 'user'"),
        )

    op.create_table(
        "blob",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blob")),
        sa.UniqueConstraint("digest", name=op.f("uq_blob_digest")),
        sa.UniqueConstraint("path", name=op.f("uq_blob_path")),
    )
    op.create_table(
        "log_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=True),
        sa.Column("repository_id", sa.Integer(), nullable=True),
        sa.Column("performer_id", sa.Integer(), nullable=True),
        sa.Column("performer", sa.String(length=511), nullable=True),
        sa.Column("ip", sa.String(length=45), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_entry")),
    )
    with op.batch_alter_table("log_entry") as batch_op:
        batch_op.create_index("ix_log_entry_at", ["at"])
        batch_op.create_index("ix_log_entry_namespace_id_at", ["namespace_id", "at"])
        batch_op.create_index("ix_log_entry_performer_id_at", ["performer_id", "at"])
        batch_op.create_index("ix_log_entry_repository_id_at", ["repository_id", "at"])

    op.create_table(
        "service_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("encrypted_private_key", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_key")),
        sa.UniqueConstraint("kid", name=op.f("uq_service_key_kid")),
    )
    op.create_table(
        "app_token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_accessed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_app_token_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_app_token_token_hash")),
        sa.UniqueConstraint("uuid", name=op.f("uq_app_token_uuid")),
    )
    with op.batch_alter_table("app_token") as batch_op:
        batch_op.create_index(batch_op.f("ix_app_token_account_id"), ["account_id"])

    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("queue", sa.String(length=40), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("result", sa.String(length=14), nullable=True),
        sa.Column("phase", sa.String(length=40), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=True),
        sa.Column("container_id", sa.String(length=64), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("log_lines", sa.Integer(), nullable=False),
        sa.Column("logs_path", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["account.id"], name=op.f("fk_job_namespace_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("uuid", name=op.f("uq_job_uuid")),
    )
    with op.batch_alter_table("job") as batch_op:
        batch_op.create_index("ix_job_namespace_id_state", ["namespace_id", "state"])
        batch_op.create_index("ix_job_queue_state_created_at", ["queue", "state", "created_at"])
        batch_op.create_index("ix_job_state_heartbeat_at", ["state", "heartbeat_at"])

    op.create_table(
        "oauth_application",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("encrypted_secret", sa.String(), nullable=True),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("application_uri", sa.String(), nullable=False),
        sa.Column("redirect_uri", sa.String(), nullable=False),
        sa.Column("avatar_email", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["account.id"],
            name=op.f("fk_oauth_application_organization_id_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_application")),
        sa.UniqueConstraint("client_id", name=op.f("uq_oauth_application_client_id")),
    )
    with op.batch_alter_table("oauth_application") as batch_op:
        batch_op.create_index(batch_op.f("ix_oauth_application_organization_id"), ["organization_id"])

    op.create_table(
        "repository",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("trust_enabled", sa.Boolean(), nullable=False),
        sa.Column("status_token", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["account.id"], name=op.f("fk_repository_namespace_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repository")),
        sa.UniqueConstraint("namespace_id", "name", name=op.f("uq_repository_namespace_id_name")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("repository") as batch_op:
        batch_op.create_index(
            "ix_repository_public", ["id"], sqlite_where=sa.text("is_public"), postgresql_where=sa.text("is_public")
        )

    op.create_table(
        "team",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["account.id"], name=op.f("fk_team_organization_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_team_organization_id_name")),
    )
    op.create_table(
        "build",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=False),
        sa.Column("display_name", sa.String(length=255), nullable=False),
        sa.Column("archive_url", sa.String(), nullable=True),
        sa.Column("resource_key", sa.String(length=255), nullable=True),
        sa.Column("dockerfile_path", sa.String(), nullable=False),
        sa.Column("context", sa.String(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("pull_robot_id", sa.Integer(), nullable=True),
        sa.Column("manual_user", sa.String(length=511), nullable=True),
        sa.Column("trigger_metadata", sa.JSON(), nullable=False),
        sa.Column("status", sa.JSON(), nullable=False),
        sa.Column("image_digest", sa.String(length=140), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_build_job_id_job"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["pull_robot_id"], ["account.id"], name=op.f("fk_build_pull_robot_id_account"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_build_repository_id_repository"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_build")),
        sa.UniqueConstraint("job_id", name=op.f("uq_build_job_id")),
        sa.UniqueConstraint("uuid", name=op.f("uq_build_uuid")),
    )
    with op.batch_alter_table("build") as batch_op:
        batch_op.create_index(batch_op.f("ix_build_pull_robot_id"), ["pull_robot_id"])
        batch_op.create_index("ix_build_repository_id_id", ["repository_id", "id"])

    op.create_table(
        "manifest",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.Column("artifact_type", sa.String(length=255), nullable=True),
        sa.Column("config_media_type", sa.String(length=255), nullable=True),
        sa.Column("subject", sa.String(length=140), nullable=True),
        sa.Column("annotations", sa.JSON(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("image_size", sa.BigInteger(), nullable=False),
        sa.Column("is_index", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_manifest_repository_id_repository"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manifest")),
        sa.UniqueConstraint("repository_id", "digest", name=op.f("uq_manifest_repository_id_digest")),
    )
    with op.batch_alter_table("manifest") as batch_op:
        batch_op.create_index("ix_manifest_repository_id_subject", ["repository_id", "subject"])

    op.create_table(
        "oauth_token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_oauth_token_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["oauth_application.id"],
            name=op.f("fk_oauth_token_application_id_oauth_application"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_oauth_token_token_hash")),
        sa.UniqueConstraint("uuid", name=op.f("uq_oauth_token_uuid")),
    )
    with op.batch_alter_table("oauth_token") as batch_op:
        batch_op.create_index(batch_op.f("ix_oauth_token_account_id"), ["account_id"])
        batch_op.create_index(batch_op.f("ix_oauth_token_application_id"), ["application_id"])

    op.create_table(
        "permission",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("team_id", sa.Integer(), nullable=True),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.CheckConstraint("(account_id IS NULL) <> (team_id IS NULL)", name=op.f("ck_permission_one_subject")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_permission_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repository.id"],
            name=op.f("fk_permission_repository_id_repository"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_permission_team_id_team"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_permission")),
        sa.UniqueConstraint("repository_id", "account_id", name=op.f("uq_permission_repository_id_account_id")),
        sa.UniqueConstraint("repository_id", "team_id", name=op.f("uq_permission_repository_id_team_id")),
    )
    with op.batch_alter_table("permission") as batch_op:
        batch_op.create_index(batch_op.f("ix_permission_account_id"), ["account_id"])
        batch_op.create_index(batch_op.f("ix_permission_team_id"), ["team_id"])

    op.create_table(
        "repository_blob",
        sa.Column("repository_id", sa.Integer(), nullable=False),
        sa.Column("blob_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blob.id"], name=op.f("fk_repository_blob_blob_id_blob")),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repository.id"],
            name=op.f("fk_repository_blob_repository_id_repository"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "blob_id", name=op.f("pk_repository_blob")),
    )
    with op.batch_alter_table("repository_blob") as batch_op:
        batch_op.create_index(batch_op.f("ix_repository_blob_blob_id"), ["blob_id"])

    op.create_table(
        "repository_token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=False),
        sa.Column("friendly_name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repository.id"],
            name=op.f("fk_repository_token_repository_id_repository"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repository_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_repository_token_token_hash")),
        sa.UniqueConstraint("uuid", name=op.f("uq_repository_token_uuid")),
    )
    with op.batch_alter_table("repository_token") as batch_op:
        batch_op.create_index(batch_op.f("ix_repository_token_repository_id"), ["repository_id"])

    op.create_table(
        "star",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_star_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_star_repository_id_repository"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "repository_id", name=op.f("pk_star")),
    )
    with op.batch_alter_table("star") as batch_op:
        batch_op.create_index(batch_op.f("ix_star_repository_id"), ["repository_id"])

    op.create_table(
        "team_member",
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_team_member_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_team_member_team_id_team"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("team_id", "account_id", name=op.f("pk_team_member")),
    )
    with op.batch_alter_table("team_member") as batch_op:
        batch_op.create_index(batch_op.f("ix_team_member_account_id"), ["account_id"])

    op.create_table(
        "upload",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=True),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_upload_repository_id_repository"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
        sa.UniqueConstraint("uuid", name=op.f("uq_upload_uuid")),
    )
    with op.batch_alter_table("upload") as batch_op:
        batch_op.create_index(batch_op.f("ix_upload_repository_id"), ["repository_id"])
        batch_op.create_index(batch_op.f("ix_upload_updated_at"), ["updated_at"])

    op.create_table(
        "manifest_blob",
        sa.Column("manifest_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("blob_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blob.id"], name=op.f("fk_manifest_blob_blob_id_blob")),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifest.id"], name=op.f("fk_manifest_blob_manifest_id_manifest"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repository.id"],
            name=op.f("fk_manifest_blob_repository_id_repository"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("manifest_id", "blob_id", name=op.f("pk_manifest_blob")),
    )
    with op.batch_alter_table("manifest_blob") as batch_op:
        batch_op.create_index(batch_op.f("ix_manifest_blob_blob_id"), ["blob_id"])
        batch_op.create_index("ix_manifest_blob_repository_id_blob_id", ["repository_id", "blob_id"])

    op.create_table(
        "manifest_child",
        sa.Column("parent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("child_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["child_id"], ["manifest.id"], name=op.f("fk_manifest_child_child_id_manifest"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["manifest.id"], name=op.f("fk_manifest_child_parent_id_manifest"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("parent_id", "child_id", name=op.f("pk_manifest_child")),
    )
    with op.batch_alter_table("manifest_child") as batch_op:
        batch_op.create_index(batch_op.f("ix_manifest_child_child_id"), ["child_id"])

    op.create_table(
        "tag",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=False),
        sa.Column(
            "name",
            sa.String(length=128).with_variant(sa.String(length=128, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("manifest_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=True),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("reversion", sa.Boolean(), nullable=False),
        sa.Column("immutable", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifest.id"], name=op.f("fk_tag_manifest_id_manifest"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_tag_repository_id_repository"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag")),
    )
    with op.batch_alter_table("tag") as batch_op:
        batch_op.create_index(
            "ix_tag_expires_ms",
            ["expires_ms"],
            sqlite_where=sa.text("end_ms IS NULL AND expires_ms IS NOT NULL"),
            postgresql_where=sa.text("end_ms IS NULL AND expires_ms IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_tag_manifest_id"), ["manifest_id"])
        batch_op.create_index("ix_tag_repository_id_name_start_ms", ["repository_id", "name", "start_ms"])
        batch_op.create_index("ix_tag_repository_id_start_ms", ["repository_id", "start_ms"])
        batch_op.create_index(
            "uq_tag_present",
            ["repository_id", "name"],
            unique=True,
            sqlite_where=sa.text("end_ms IS NULL"),
            postgresql_where=sa.text("end_ms IS NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("tag") as batch_op:
        batch_op.drop_index(
            "uq_tag_present", sqlite_where=sa.text("end_ms IS NULL"), postgresql_where=sa.text("end_ms IS NULL")
        )
        batch_op.drop_index("ix_tag_repository_id_start_ms")
        batch_op.drop_index("ix_tag_repository_id_name_start_ms")
        batch_op.drop_index(batch_op.f("ix_tag_manifest_id"))
        batch_op.drop_index(
            "ix_tag_expires_ms",
            sqlite_where=sa.text("end_ms IS NULL AND expires_ms IS NOT NULL"),
            postgresql_where=sa.text("end_ms IS NULL AND expires_ms IS NOT NULL"),
        )

    op.drop_table("tag")
    with op.batch_alter_table("manifest_child") as batch_op:
        batch_op.drop_index(batch_op.f("ix_manifest_child_child_id"))

    op.drop_table("manifest_child")
    with op.batch_alter_table("manifest_blob") as batch_op:
        batch_op.drop_index("ix_manifest_blob_repository_id_blob_id")
        batch_op.drop_index(batch_op.f("ix_manifest_blob_blob_id"))

    op.drop_table("manifest_blob")
    with op.batch_alter_table("upload") as batch_op:
        batch_op.drop_index(batch_op.f("ix_upload_updated_at"))
        batch_op.drop_index(batch_op.f("ix_upload_repository_id"))

    op.drop_table("upload")
    with op.batch_alter_table("team_member") as batch_op:
        batch_op.drop_index(batch_op.f("ix_team_member_account_id"))

    op.drop_table("team_member")
    with op.batch_alter_table("star") as batch_op:
        batch_op.drop_index(batch_op.f("ix_star_repository_id"))

    op.drop_table("star")
    with op.batch_alter_table("repository_token") as batch_op:
        batch_op.drop_index(batch_op.f("ix_repository_token_repository_id"))

    op.drop_table("repository_token")
    with op.batch_alter_table("repository_blob") as batch_op:
        batch_op.drop_index(batch_op.f("ix_repository_blob_blob_id"))

    op.drop_table("repository_blob")
    with op.batch_alter_table("permission") as batch_op:
        batch_op.drop_index(batch_op.f("ix_permission_team_id"))
        batch_op.drop_index(batch_op.f("ix_permission_account_id"))

    op.drop_table("permission")
    with op.batch_alter_table("oauth_token") as batch_op:
        batch_op.drop_index(batch_op.f("ix_oauth_token_application_id"))
        batch_op.drop_index(batch_op.f("ix_oauth_token_account_id"))

    op.drop_table("oauth_token")
    with op.batch_alter_table("manifest") as batch_op:
        batch_op.drop_index("ix_manifest_repository_id_subject")

    op.drop_table("manifest")
    with op.batch_alter_table("build") as batch_op:
        batch_op.drop_index("ix_build_repository_id_id")
        batch_op.drop_index(batch_op.f("ix_build_pull_robot_id"))

    op.drop_table("build")
    op.drop_table("team")
    with op.batch_alter_table("repository") as batch_op:
        batch_op.drop_index(
            "ix_repository_public", sqlite_where=sa.text("is_public"), postgresql_where=sa.text("is_public")
        )

    op.drop_table("repository")
    with op.batch_alter_table("oauth_application") as batch_op:
        batch_op.drop_index(batch_op.f("ix_oauth_application_organization_id"))

    op.drop_table("oauth_application")
    with op.batch_alter_table("job") as batch_op:
        batch_op.drop_index("ix_job_state_heartbeat_at")
        batch_op.drop_index("ix_job_queue_state_created_at")
        batch_op.drop_index("ix_job_namespace_id_state")

    op.drop_table("job")
    with op.batch_alter_table("app_token") as batch_op:
        batch_op.drop_index(batch_op.f("ix_app_token_account_id"))

    op.drop_table("app_token")
    op.drop_table("service_key")
    with op.batch_alter_table("log_entry") as batch_op:
        batch_op.drop_index("ix_log_entry_repository_id_at")
        batch_op.drop_index("ix_log_entry_performer_id_at")
        batch_op.drop_index("ix_log_entry_namespace_id_at")
        batch_op.drop_index("ix_log_entry_at")

    op.drop_table("log_entry")
    op.drop_table("blob")
    with op.batch_alter_table("account") as batch_op:
        batch_op.drop_index(
            "uq_account_user_email", sqlite_where=sa.text("kind = 'user'"), postgresql_where=sa.text("kind = 'user'")
        )
        batch_op.drop_index(batch_op.f("ix_account_owner_id"))

    op.drop_table("account")
