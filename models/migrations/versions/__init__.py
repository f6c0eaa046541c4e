"""The revisions, written by Alembic and reviewed by people."""
