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
def local_root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def local(local_root: Path) -> LocalStorage:
    return LocalStorage(local_root)
