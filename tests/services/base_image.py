"""A base image for the product's Dockerfile, made from this machine's own Debian archive: nothing is pulled."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

_PACKAGES = "python3,python3-venv,ca-certificates,git,openssh-client"


def base_rootfs() -> Path:
    """A tar of a minimal Debian with Python; made once (about a minute), then taken from the user's cache folder."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    file = cache_folder() / f"base-git-{release}.tar"
    if not file.exists():
        unfinished = file.with_suffix(f".{os.getpid()}.tmp.tar")
        try:
            _bootstrap(release, unfinished)
            unfinished.rename(file)
        finally:
            unfinished.unlink(missing_ok=True)
    return file


def wheels(python: str) -> Path:
    """A folder with the locked packages for that Python (`3.11`), fetched the way this machine's pip is configured."""
    folder = cache_folder() / f"wheels-{python}"
    root = Path(__file__).parents[2]
    options = ["--python-version", python, "--only-binary", ":all:", "--no-deps", "--require-hashes"]
    lock = root / "requirements.lock"
    marker = folder / lock.name
    if not marker.exists() or marker.read_bytes() != lock.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        pip: list[str | Path] = [root / ".venv" / "bin" / "python", "-m", "pip", "download", "-qq", *options]
        subprocess.run([*pip, "--dest", folder, "--requirement", lock], check=True)
        shutil.copy(lock, marker)
    return folder


def cache_folder() -> Path:
    """Where slow, reproducible things are kept between runs; safe to delete."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "drydock-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _bootstrap(release: str, target: Path) -> None:
    options = ["--quiet", "--variant=minbase", f"--include={_PACKAGES}"]
    subprocess.run(["mmdebstrap", *options, release, target, "-"], input=_sources(), text=True, check=True)


def _sources() -> str:
    """The archives that apt is configured for, leaving out those of third parties."""
    lines: set[str] = set()
    for origin in ("Debian", "Ubuntu"):
        command = ["apt-get", "indextargets", "--format", "deb $(SITE) $(RELEASE) $(COMPONENT)"]
        filters = ["Created-By: Packages", f"Origin: {origin}"]
        lines.update(
            subprocess.run([*command, *filters], check=True, capture_output=True, text=True).stdout.splitlines()
        )
    return "\n".join(sorted(lines)) + "\n"
