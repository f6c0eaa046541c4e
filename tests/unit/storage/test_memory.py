"""The memory driver keeps the contract."""

import pytest

from storage.memory import MemoryStorage
from tests.storage_suite import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_memory_storage(case: Case, memory: MemoryStorage) -> None:
    case(memory)
