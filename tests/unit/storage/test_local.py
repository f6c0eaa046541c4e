"""The local driver keeps the contract, and what it promises of files besides."""

import pytest

from storage.local import LocalStorage
from tests.storage_suite import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_local_storage(case: Case, local: LocalStorage) -> None:
    case(local)
