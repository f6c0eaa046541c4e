"""A file system of a few megabytes, to be full when a test says so."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import process


class SmallDisk:
    """A folder with little room; everything else on it stays as it is when it is filled and freed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        block = bytes(64 << 10)
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while file.write(block):
                    pass
            except OSError:  # the last block may fit in part
                return

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disks(*names: str, mebibytes: int) -> Iterator[list[SmallDisk]]:
    """File systems in memory, which need root; they go with the tests."""
    scratch = process.scratch_folder("disks")
    keeper = process.keep("disks", scratch)
    try:
        disks = []
        for name in names:
            folder = scratch / name
            folder.mkdir()
            options = f"size={mebibytes}m,mode=0700"
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "drydock-tests", folder], check=True)
            disks.append(SmallDisk(folder))
        yield disks
    finally:
        keeper.stop()
