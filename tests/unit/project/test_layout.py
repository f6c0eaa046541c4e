"""The parts of the project that people and other programs rely on are there."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FIXED_FOLDERS = ["registry", "api", "buildworker", "models", "storage", "config", "tests", "conf"]
FIXED_FILES = ["pyproject.toml", "Dockerfile", "Makefile", ".ci/run", "LICENSE", "requirements.lock"]
PACKAGES = ["registry", "api", "buildworker", "models", "storage", "config", "web", "cli"]
TARGETS = ["help", "setup", "run", "test", "sure", "bench"]
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "core", "manager", "handlers"}


def python_files() -> list[Path]:
    return [file for package in [*PACKAGES, "tests"] for file in sorted((ROOT / package).rglob("*.py"))]


@pytest.mark.parametrize("name", FIXED_FOLDERS)
def test_the_agreed_folders_exist(name: str) -> None:
    assert (ROOT / name).is_dir()


@pytest.mark.parametrize("name", FIXED_FILES)
def test_the_agreed_files_exist(name: str) -> None:
    assert (ROOT / name).is_file()


def test_make_without_a_target_lists_every_documented_target() -> None:
    printed = subprocess.run(["make", "-C", ROOT], check=True, capture_output=True, text=True).stdout
    listed = re.findall(r"(?m)^  ([a-z]+) +\S", printed)
    assert set(TARGETS) <= set(listed)
    assert sorted(listed) == sorted(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))


def test_continuous_integration_runs_make_sure() -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("make sure")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_below_is_described_in_its_init(package: str) -> None:
    folders = {file.parent for file in (ROOT / package).rglob("*.py")}
    undescribed = [
        str(folder.relative_to(ROOT)) for folder in sorted(folders) if not _docstring(folder / "__init__.py")
    ]
    # Alembic loads revisions as files; they are no package.
    assert [name for name in undescribed if name != "models/migrations/versions"] == []


def test_no_file_is_named_after_nothing() -> None:
    assert [str(file.relative_to(ROOT)) for file in python_files() if file.stem in FORBIDDEN_NAMES] == []


def test_no_file_outgrows_four_hundred_lines() -> None:
    long = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in python_files()}
    assert {name: lines for name, lines in long.items() if lines > 400 and "/versions/" not in name} == {}


def test_every_top_level_package_is_installed_and_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    installed = settings["tool"]["setuptools"]["packages"]["find"]["include"]
    assert sorted(installed) == sorted(f"{package}*" for package in PACKAGES)
    assert sorted(settings["tool"]["importlinter"]["root_packages"]) == sorted(PACKAGES)
    assert set(PACKAGES) < set(settings["tool"]["mypy"]["packages"])


def test_the_image_contains_every_package() -> None:
    copied = set(re.findall(r"(?m)^COPY (\w+) \w+$", (ROOT / "Dockerfile").read_text()))
    admitted = set(re.findall(r"(?m)^!(\w+)$", (ROOT / ".dockerignore").read_text()))
    assert copied == {*PACKAGES, "conf"}
    assert copied <= admitted


def _docstring(file: Path) -> str | None:
    return ast.get_docstring(ast.parse(file.read_text())) if file.is_file() else None
