"""However large a layer, the process that takes it stays small."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.storage.conftest import ACCESS_KEY, SECRET_KEY

SIZE_MIB = 600
PROGRAM = """
import json, pathlib, resource, sys
from storage.opening import open_storage
from tests.factories.streams import zeros

def peak_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

storage = open_storage(json.loads(sys.argv[1]), data=pathlib.Path(sys.argv[2]))
storage.ping()
idle, size = peak_kib(), int(sys.argv[3]) << 20
storage.commit(storage.append(storage.begin("large"), zeros(size)))
assert storage.stat("large").size == size
print(json.dumps([idle, peak_kib()]))
"""


@pytest.fixture(params=["LocalStorage", "S3Storage"])
def config(request: pytest.FixtureRequest, server: str, bucket: str) -> list[Any]:
    parameters = {
        "LocalStorage": {"storage_path": "store"},
        "S3Storage": {
            "s3_bucket": bucket,
            "s3_access_key": ACCESS_KEY,
            "s3_secret_key": SECRET_KEY,
            "endpoint_url": server,
        },
    }
    return [request.param, parameters[request.param]]


def test_a_large_upload_takes_less_than_70_mib(config: list[Any], tmp_path: Path) -> None:
    argv = [sys.executable, "-c", PROGRAM, json.dumps(config), str(tmp_path), str(SIZE_MIB)]
    idle, peak = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
    (tmp_path / "store" / "large").unlink(missing_ok=True)
    assert (peak - idle) / 1024 < 70
