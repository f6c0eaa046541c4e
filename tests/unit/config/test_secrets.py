"""Secrets are made once, privately, only where they may be, and never made anew."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from config.load import ConfigError
from config.secrets import ensure_secrets, new_secret
from config.settings import Settings

ROOT = Path(__file__).parents[3]

RACE = """
import sys, time
from pathlib import Path
from config.secrets import ensure_secrets
from config.settings import Settings
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    settings = ensure_secrets(Settings(DATA=Path(sys.argv[1]) / str(number)))
    print(settings.secret_key.get_secret_value(), settings.database_secret_keys[0].get_secret_value())
"""


def told(settings: Settings) -> str:
    with pytest.raises(ConfigError) as error:
        ensure_secrets(settings)
    return str(error.value)


def test_the_first_start_makes_them_and_the_next_finds_them(tmp_path: Path) -> None:
    settings = Settings(DATA=tmp_path / "new" / "data")
    first, second = ensure_secrets(settings), ensure_secrets(settings)
    assert first == second
    assert first.secret_key != first.database_secret_keys[0]
    assert len(first.secret_key.get_secret_value()) == 64
    assert [file.name for file in settings.data.iterdir()] == ["secrets.yaml"]


def test_only_the_owner_may_read_the_file_and_the_folder(tmp_path: Path) -> None:
    data = ensure_secrets(Settings(DATA=tmp_path / "data")).data
    assert stat.S_IMODE((data / "secrets.yaml").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_two_processes_that_start_together_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE, str(tmp_path)]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    one, other = (process.communicate(timeout=60)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert len(set(one.splitlines())) == 40
    assert one == other


def test_configured_secrets_are_used_as_they_are(tmp_path: Path) -> None:
    settings = Settings(DATA=tmp_path / "data", SECRET_KEY=SecretStr("a" * 32), DATABASE_SECRET_KEY=SecretStr("b" * 32))
    assert ensure_secrets(settings) is settings
    assert not settings.data.exists()


def test_a_configured_secret_wins_over_the_file(tmp_path: Path) -> None:
    made = ensure_secrets(Settings(DATA=tmp_path))
    mixed = ensure_secrets(Settings(DATA=tmp_path, SECRET_KEY=SecretStr("a" * 32)))
    assert mixed.secret_key.get_secret_value() == "a" * 32
    assert mixed.database_secret_keys == made.database_secret_keys


def test_the_file_may_hold_former_keys_after_a_rotation(tmp_path: Path) -> None:
    made = ensure_secrets(Settings(DATA=tmp_path))
    file = tmp_path / "secrets.yaml"
    file.write_text(file.read_text() + f"DATABASE_SECRET_KEYS_PREVIOUS: ['{'f' * 32}']\n")
    rotated = ensure_secrets(Settings(DATA=tmp_path))
    assert rotated.database_secret_keys == (*made.database_secret_keys, SecretStr("f" * 32))


def test_an_external_database_wants_them_configured(tmp_path: Path) -> None:
    why = (
        "expected a secret that all processes share, because the database is not in the data folder; "
        "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
    )
    settings = Settings(DATA=tmp_path / "data", DB_URI=SecretStr("postgresql://h/n"))
    assert told(settings) == f"configuration: SECRET_KEY: {why}\nconfiguration: DATABASE_SECRET_KEY: {why}"
    assert not settings.data.exists()


def test_the_command_of_that_message_makes_a_secret_that_is_accepted() -> None:
    program = "import secrets; print(secrets.token_urlsafe(48))"
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    assert Settings(SECRET_KEY=SecretStr(made)).secret_key.get_secret_value() == made
    assert Settings(SECRET_KEY=SecretStr(new_secret())).SECRET_KEY is not None


def test_a_file_that_others_may_open_is_refused(tmp_path: Path) -> None:
    ensure_secrets(Settings(DATA=tmp_path))
    file = tmp_path / "secrets.yaml"
    file.chmod(0o644)
    assert told(Settings(DATA=tmp_path)) == f"{file}: everyone on this machine may open it; run: chmod 600 {file}"


def test_a_damaged_file_is_told_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    file.touch(mode=0o600)
    file.write_text("SECRET_KEY: hush-hush\nSECRET: hush-hush\n")
    assert told(Settings(DATA=tmp_path)).splitlines() == [
        f"{file}: DATABASE_SECRET_KEY: expected a secret, got nothing; restore this file from a backup",
        f"{file}:1: SECRET_KEY: expected text of at least 32 characters, in quotes, got text",
        f"{file}:2: SECRET: unknown key; did you mean SECRET_KEY?",
    ]
    assert file.read_text() == "SECRET_KEY: hush-hush\nSECRET: hush-hush\n"


def test_a_data_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    file = tmp_path / "file" / "data" / "secrets.yaml"
    assert told(Settings(DATA=tmp_path / "file" / "data")) == f"{file}: cannot be made or read: Not a directory"
