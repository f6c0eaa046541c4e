from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from cli.main import explain
from cli.options import settings_from
from config.secrets import FILE
from models.authentication import Superusers, identify_token, identify_user
from models.opening import open_database
from models.session import Database
from models.tables import Robot, User
from tests.unit.cli.conftest import Done

Command = Callable[..., Done]


@pytest.fixture
def ann(drydock: Command, installed: Path) -> str:
    return create_ann(drydock)


def create_ann(drydock: Command) -> str:
    done = drydock("user", "create", "ann", "--email", "ann@example.com", "--password", "a long password")
    assert done.code == 0, done.err
    return "ann"


def database(data: Path) -> Database:
    return open_database(settings_from(None, data))


def make_robot(data: Path, owner: str) -> None:
    """The owner's robot `ci`, whose token is in the database encrypted."""
    opened = database(data)
    with opened.write() as session:
        user = session.scalars(select(User).where(User.name == owner)).one()
        session.add(Robot(name=f"{owner}+ci", owner=user, encrypted_token=opened.vault.encrypt("the token")))
    opened.dispose()


def test_help_names_every_command(drydock: Command) -> None:
    done = drydock("--help")

    assert done.code == 0
    for command in ("serve", "web", "worker", "scheduler", "migrate", "config", "user", "token", "secrets"):
        assert f"\n  {command} " in done.out
    assert "prepare" not in done.out


def test_wrong_usage_is_told_apart_from_failure(drydock: Command) -> None:
    assert drydock("serve", "--port", "many").code == 2
    assert drydock("nothing").code == 2
    assert drydock("serve", "--port", "99999").code == 1


def test_a_user_can_be_made_before_anything_ever_ran(drydock: Command, data: Path) -> None:
    ann = create_ann(drydock)
    opened = database(data)
    identity = identify_user(opened, Superusers(), ann, "a long password")
    opened.dispose()

    assert identity.name == "ann"
    assert not identity.superuser


def test_a_password_can_come_from_standard_input(drydock: Command, data: Path) -> None:
    arguments = ("user", "create", "root", "--email", "root@example.com", "--superuser", "--password", "-")
    assert drydock(*arguments, stdin="from a pipe, with space \n").code == 0

    opened = database(data)
    assert identify_user(opened, Superusers(), "root", "from a pipe, with space ").superuser
    opened.dispose()


@pytest.mark.parametrize(
    ("name", "email", "password"),
    [
        ("ann", "other@example.com", "a long password"),
        ("Bad Name", "x@example.com", "a long password"),
        ("bob", "b@example.com", "short"),
    ],
)
def test_a_user_that_cannot_be_is_refused_in_a_sentence(
    drydock: Command, ann: str, name: str, email: str, password: str
) -> None:
    done = drydock("user", "create", name, "--email", email, "--password", password)

    assert done.code == 1
    assert done.out == ""
    assert len(done.err.splitlines()) == 1


def test_who_forgot_the_password_gets_another(drydock: Command, data: Path, ann: str) -> None:
    done = drydock("user", "password", ann, "--password", "-", stdin="another password\n")
    assert (done.code, done.out) == (0, "ann has another password.\n")
    opened = database(data)
    assert identify_user(opened, Superusers(), ann, "another password").name == ann
    opened.dispose()
    assert drydock("user", "password", "nobody", "--password", "another password").code == 1
    assert drydock("user", "password", ann, "--password", "short").code == 1


def test_a_token_is_printed_and_nothing_else(drydock: Command, data: Path, ann: str) -> None:
    done = drydock("token", "create", ann, "--scopes", "repo:read user:read")

    assert done.code == 0
    assert done.out.count("\n") == 1
    opened = database(data)
    identity = identify_token(opened, Superusers(), done.out.strip())
    opened.dispose()
    assert identity.scopes == frozenset({"repo:read", "user:read"})


def test_tokens_are_listed_and_revoked(drydock: Command, data: Path, ann: str) -> None:
    token = drydock("token", "create", ann, "--scopes", "repo:read user:read").out.strip()
    listed = drydock("token", "list", "--user", ann)
    uuid, *rest = listed.out.rstrip("\n").split("\t")
    assert rest[:4] == [ann, "repo:read user:read", "Drydock", "never used"]
    assert rest[4].startswith("until 20")
    assert token not in listed.out
    assert drydock("token", "list") == listed

    assert drydock("token", "revoke", uuid) == Done(0, f"Revoked an access token of {ann}.\n", "")
    assert drydock("token", "list").out == ""
    again = drydock("token", "revoke", uuid)
    assert (again.code, again.out, len(again.err.splitlines())) == (1, "", 1)
    assert drydock("token", "list", "--user", "nobody").code == 1


@pytest.mark.parametrize("arguments", [("nobody", "repo:read"), ("ann", "repo:everything"), ("ann", "")])
def test_a_token_for_nobody_or_nothing_is_refused(drydock: Command, ann: str, arguments: tuple[str, str]) -> None:
    done = drydock("token", "create", arguments[0], "--scopes", arguments[1])

    assert (done.code, done.out) == (1, "")
    assert len(done.err.splitlines()) == 1


def test_a_configuration_is_checked_and_all_problems_are_told(drydock: Command, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("PORT: 9000\n")
    bad.write_text("PORT: many\nNOPE: 1\n")

    assert drydock("config", "check", str(good)) == Done(0, f"{good} is a valid configuration.\n", "")
    done = drydock("config", "check", str(bad))
    assert done.code == 1
    assert "PORT" in done.err
    assert "NOPE" in done.err
    assert drydock("config", "check", str(tmp_path / "absent.yaml")).code == 1


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("[FakeStorage, {}]", "there is no storage driver 'FakeStorage'"),
        ("[S3Storage, {bucket: b}]", "S3Storage does not know the parameter 'bucket'"),
        ("[S3Storage, {s3_bucket: b, s3_access_key: hidden}]", "S3Storage needs both"),
        ("[MemoryStorage, {}]", "MemoryStorage is for tests"),
    ],
)
def test_a_store_that_cannot_be_is_told_before_anything_starts(
    drydock: Command, tmp_path: Path, location: str, told: str
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(f"DISTRIBUTED_STORAGE_CONFIG: {{here: {location}}}\n")

    for arguments in (("config", "check", str(bad)), ("gc", "--config", str(bad))):
        done = drydock(*arguments)
        assert (done.code, len(done.err.splitlines())) == (1, 1)
        assert done.err.startswith(f"DISTRIBUTED_STORAGE_CONFIG.here: {told}")
        assert "hidden" not in done.err


def test_the_configuration_can_be_named_before_the_command_or_after_it(drydock: Command, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("NOPE: 1\n")

    assert "NOPE" in drydock("migrate", "--config", str(bad)).err
    assert "NOPE" in drydock("--config", str(bad), "migrate").err


def test_fresh_secrets_are_long_and_never_the_same(drydock: Command) -> None:
    first, second = drydock("config", "secret").out.strip(), drydock("config", "secret").out.strip()

    assert len(first) >= 32
    assert first != second


def test_after_a_rotation_the_former_key_is_not_needed_for_what_is_encrypted(
    drydock: Command, data: Path, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_robot(data, ann)
    former = settings_from(None, data).database_secret_keys[0].get_secret_value()
    monkeypatch.setenv("DRYDOCK_DATABASE_SECRET_KEY", "a new key that is long enough for it")
    monkeypatch.setenv("DRYDOCK_DATABASE_SECRET_KEYS_PREVIOUS", former)

    assert (data / FILE).exists()
    assert "1 of account" in drydock("secrets", "rotate").out
    monkeypatch.delenv("DRYDOCK_DATABASE_SECRET_KEYS_PREVIOUS")
    assert drydock("secrets", "rotate").code == 0
    opened = database(data)
    with opened.read() as session:
        robot = session.scalars(select(Robot)).one()
        assert opened.vault.decrypt(robot.encrypted_token or "") == "the token"
    opened.dispose()


def test_a_rotation_without_the_former_key_is_refused(
    drydock: Command, data: Path, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_robot(data, ann)
    monkeypatch.setenv("DRYDOCK_DATABASE_SECRET_KEY", "a new key that is long enough for it")

    done = drydock("secrets", "rotate")
    assert done.code == 1
    assert "DATABASE_SECRET_KEY" in done.err


def test_a_database_that_is_away_is_told_and_a_mistake_of_ours_is_not_hidden() -> None:
    away = OperationalError("SELECT 1", {}, Exception("connection refused\nIs the server running?"))

    assert explain(away) == "The database does not do what is needed: connection refused"
    assert explain(PermissionError(13, "Permission denied", "/data/lock")) == "Permission denied: /data/lock"
    assert explain(KeyError("oops")) is None
