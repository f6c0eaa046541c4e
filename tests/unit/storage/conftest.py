"""A driver of each kind that needs no service."""

from pathlib import Path

import pytest

from storage.local import LocalStorage
from storage.memory import MemoryStorage

pytest.register_assert_rewrite("tests.storage_suite")


@pytest.fixture
def memory() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def local(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "store")
