"""The S3 driver keeps the contract, and what it promises of S3 besides."""

import pytest

from storage.s3 import S3Storage
from tests.storage_suite import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_s3_storage(case: Case, storage: S3Storage) -> None:
    case(storage)
