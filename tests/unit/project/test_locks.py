"""The locks are complete for every supported Python, not only for the one that they were made with."""

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PYTHONS = ["3.11.0", "3.11.9", "3.12.0", "3.13.0", "3.14.0"]
LOCKS = {"requirements.lock": [""], "requirements-dev.lock": ["", "dev"]}


@pytest.fixture(params=LOCKS)
def lock(request: pytest.FixtureRequest) -> str:
    """Each lock's file name."""
    return str(request.param)


def test_every_locked_package_has_an_exact_version_and_hashes(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    packages = [entry for entry in entries if not entry.startswith("#")]
    assert len(packages) > 30
    form = re.compile(r"[\w.-]+==[\w.!+]+( ; [^\n]+)? \\\n +--hash=sha256:")
    assert [entry.split()[0] for entry in packages if not form.match(entry)] == []


def test_locks_say_what_is_installed_and_not_from_where(lock: str) -> None:
    assert not re.search(r"://|(?m:^-)|@ ", (ROOT / lock).read_text())


def test_the_development_lock_contains_the_runtime_lock() -> None:
    runtime, development = (_pins(lock).items() for lock in LOCKS)
    assert runtime <= development


def test_what_the_project_declares_is_locked(lock: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {"": project["dependencies"], **project["optional-dependencies"]}
    names = {canonicalize_name(Requirement(line).name) for extra in LOCKS[lock] for line in declared[extra]}
    assert names - _pins(lock).keys() == set()


@pytest.mark.parametrize("python", PYTHONS)
def test_what_a_locked_package_needs_on_a_supported_python_is_locked(lock: str, python: str) -> None:
    pins = _pins(lock)
    # A package that this Python does not get cannot be asked what it needs.
    here = [name for name, marker in pins.items() if marker is None or marker.evaluate()]
    installed = [name for name in here if _holds(pins[name], python)]
    missing = {f"{name} needs {need}" for name in installed for need in _needs(name, python) if need not in pins}
    assert missing == set()


def _pins(lock: str) -> dict[str, Marker | None]:
    """The locked packages with the condition on which they are installed."""
    lines = [
        line.rstrip(" \\") for line in (ROOT / lock).read_text().splitlines() if "==" in line and line[0].isalnum()
    ]
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement.marker for requirement in requirements}


def _needs(name: str, python: str) -> set[str]:
    """What that package always needs on that Python; extras are not asked here but pinned by themselves."""
    requirements = [Requirement(line) for line in distribution(name).requires or []]
    return {canonicalize_name(need.name) for need in requirements if _holds(need.marker, python)}


def _holds(marker: Marker | None, python: str) -> bool:
    version = ".".join(python.split(".")[:2])
    return marker is None or marker.evaluate({"python_full_version": python, "python_version": version, "extra": ""})
