"""A `drydock serve` that the tests of a module share, as long as they leave it running."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.serve.running import Serving, running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with running(tmp_path_factory.mktemp("serve") / "data") as serving:
        serving.wait_until_ready()
        yield serving
