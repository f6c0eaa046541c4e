"""What is in the repository says nothing of the machine it was written on, nor where packages come from."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# In pieces, so that this file passes its own test.
REGISTRIES = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("archive", "ubuntu", "com"),
    ]
]
MACHINE_PATHS = [
    "/".join(parts)
    for parts in [("", "work", "main"), ("", "work", "shared"), ("", "opt", "pypi"), ("", "opt", "wheels")]
]
HOME_FOLDER = re.compile(r"(?<![\w.])/(?:root/\.|home/(?!<|\$|user\b)\w+/)")


def tracked_files() -> list[str]:
    """Tracked files and those about to be."""
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "-C",
        str(ROOT),
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every tracked text file with its content."""
    return {name: (ROOT / name).read_text(encoding="utf-8", errors="replace") for name in tracked_files()}


def test_no_tracked_file_names_a_package_registry(texts: dict[str, str]) -> None:
    found = [f"{name}: {host}" for name, text in texts.items() for host in REGISTRIES if host in text]
    assert found == []


def test_no_tracked_file_names_a_path_of_a_developers_machine(texts: dict[str, str]) -> None:
    found = [f"{name}: {path}" for name, text in texts.items() for path in MACHINE_PATHS if path in text]
    found += [f"{name}: {match[0]}" for name, text in texts.items() if (match := HOME_FOLDER.search(text))]
    assert found == []


def test_no_tracked_file_is_a_secret_or_a_large_binary() -> None:
    suspicious = {".pem", ".key", ".p12", ".whl", ".so", ".sqlite", ".db"}
    names = tracked_files()
    assert [name for name in names if Path(name).suffix in suspicious] == []
    assert [name for name in names if (ROOT / name).stat().st_size > 1_000_000] == []
