"""The installations of tests/integration/gc, to be put under load."""

from tests.integration.gc.conftest import database, migrated_template, pusher, setup, storage

__all__ = ["database", "migrated_template", "pusher", "setup", "storage"]
