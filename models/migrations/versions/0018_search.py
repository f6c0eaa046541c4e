"""The terms and the order by which repositories are found, and look-ups of accounts by prefix.

Repositories that are there get their terms by the scheduler.

Revision: 0018
After: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TERM = sa.String(length=24).with_variant(sa.String(length=24, collation="C"), "postgresql")
NO_ROBOT, PUBLIC = sa.text("kind <> 'robot'"), sa.text("is_public")
RANK = ["search_rank", "id"]


def upgrade() -> None:
    op.create_table(
        "repository_term",
        sa.Column("term", TERM, nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repository.id"],
            name=op.f("fk_repository_term_repository_id_repository"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("term", "repository_id", name=op.f("pk_repository_term")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_repository_term_repository_id"), "repository_term", ["repository_id"])
    op.add_column("repository", sa.Column("search_rank", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index("ix_repository_search_rank", "repository", RANK)
    op.create_index("ix_repository_name_search_rank", "repository", ["name", "search_rank"])
    op.create_index(
        "ix_repository_public_search_rank", "repository", RANK, sqlite_where=PUBLIC, postgresql_where=PUBLIC
    )
    op.create_index(
        "ix_account_name_prefix",
        "account",
        ["name"],
        postgresql_ops={"name": "text_pattern_ops"},
        sqlite_where=NO_ROBOT,
        postgresql_where=NO_ROBOT,
    )


def downgrade() -> None:
    op.drop_index("ix_account_name_prefix", "account")
    op.drop_index("ix_repository_public_search_rank", "repository")
    op.drop_index("ix_repository_search_rank", "repository")
    op.drop_index("ix_repository_name_search_rank", "repository")
    op.drop_column("repository", "search_rank")
    op.drop_table("repository_term")
