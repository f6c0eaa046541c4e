"""Authorization codes, assigned tokens, and names and last use of access tokens.

Revision: 0009
After: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("oauth_token", sa.Column("name", sa.String(255), nullable=True))
    op.add_column("oauth_token", sa.Column("last_accessed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "authorization_code",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("redirect_uri", sa.String(), nullable=True),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("code_challenge", sa.String(128), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_id", sa.Integer(), nullable=True),
        _reference("authorization_code", "application_id", "oauth_application"),
        _reference("authorization_code", "account_id", "account"),
        _reference("authorization_code", "token_id", "oauth_token", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_authorization_code"),
        sa.UniqueConstraint("code_hash", name="uq_authorization_code_code_hash"),
    )
    for column in ("application_id", "account_id", "expires_at", "token_id"):
        op.create_index(f"ix_authorization_code_{column}", "authorization_code", [column])
    op.create_table(
        "token_assignment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("redirect_uri", sa.String(), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("response_type", sa.String(8), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        _reference("token_assignment", "application_id", "oauth_application"),
        _reference("token_assignment", "account_id", "account"),
        sa.PrimaryKeyConstraint("id", name="pk_token_assignment"),
        sa.UniqueConstraint("uuid", name="uq_token_assignment_uuid"),
    )
    for column in ("application_id", "account_id"):
        op.create_index(f"ix_token_assignment_{column}", "token_assignment", [column])


def downgrade() -> None:
    op.drop_table("token_assignment")
    op.drop_table("authorization_code")
    op.drop_column("oauth_token", "last_accessed_at")
    op.drop_column("oauth_token", "name")


def _reference(table: str, column: str, other: str, *, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], ondelete=ondelete, name=f"fk_{table}_{column}_{other}")
