"""What follows from the settings, and that they keep their secrets."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from config.settings import Settings


def database(uri: str, data: Path = Path("/data")) -> Settings:
    return Settings(DATA=data, DB_URI=SecretStr(uri))


def test_settings_are_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().PORT = 1


def test_the_hostname_follows_the_port_and_the_builder_follows_the_hostname() -> None:
    assert Settings(PORT=9000).SERVER_HOSTNAME == "localhost:9000"
    assert Settings(PORT=9000).BUILD_REGISTRY_HOSTNAME == "localhost:9000"
    assert Settings(PORT=9000, SERVER_HOSTNAME="a.example").BUILD_REGISTRY_HOSTNAME == "a.example"
    assert Settings(SERVER_HOSTNAME="a.example", PREFERRED_URL_SCHEME="https").url == "https://a.example"


def test_the_storage_preference_follows_the_locations() -> None:
    locations: dict[str, tuple[str, dict[str, str]]] = {"near": ("LocalStorage", {}), "far": ("S3Storage", {})}
    assert Settings(DISTRIBUTED_STORAGE_CONFIG=locations).DISTRIBUTED_STORAGE_PREFERENCE == ["near", "far"]
    assert Settings().DISTRIBUTED_STORAGE_PREFERENCE[0] == "local"


@pytest.mark.parametrize(
    ("uri", "used", "embedded"),
    [
        ("sqlite:///name.db", "sqlite:////data/name.db", True),
        ("sqlite:////data/sub/name.db?timeout=5", "sqlite:////data/sub/name.db?timeout=5", True),
        ("sqlite:////other/name.db", "sqlite:////other/name.db", False),
        ("sqlite:///../name.db", "sqlite:////data/../name.db", False),
        ("postgresql://u:p@h/n?sslmode=require", "postgresql+psycopg://u:p@h/n?sslmode=require", False),
        ("postgres://h:5433/n", "postgresql+psycopg://h:5433/n", False),
        ("postgresql+psycopg:///n?host=/run/pg", "postgresql+psycopg:///n?host=/run/pg", False),
    ],
)
def test_the_database_is_given_as_sqlalchemy_wants_it(uri: str, used: str, embedded: bool) -> None:
    settings = database(uri)
    assert settings.db_uri.get_secret_value() == used
    assert settings.embedded is embedded


def test_without_a_database_there_is_one_in_the_data_folder() -> None:
    settings = Settings(DATA=Path("/data"))
    assert settings.db_uri.get_secret_value() == "sqlite:////data/drydock.db"
    assert settings.database_file == Path("/data/drydock.db")
    assert settings.embedded
    assert settings.path("storage") == Path("/data/storage")
    assert settings.path("/srv/blobs") == Path("/srv/blobs")


@pytest.mark.parametrize(
    "uri", ["", "sqlite://", "sqlite:///:memory:", "sqlite://name.db", "mysql://h/n", "postgresql://h"]
)
def test_a_database_that_processes_cannot_share_is_refused(uri: str) -> None:
    with pytest.raises(ValidationError):
        database(uri)


def test_redis_is_given_as_a_url() -> None:
    assert Settings().redis_url is None
    url = Settings.model_validate({"REDIS_URL": "unix:///run/redis.sock"}).redis_url
    assert url is not None
    assert url.get_secret_value() == "unix:///run/redis.sock"
    server = {"host": "::1", "password": "a/b@c", "db": 3, "ssl": True}
    for key in ("BUILDLOGS_REDIS", "USER_EVENTS_REDIS"):
        url = Settings.model_validate({key: server}).redis_url
        assert url is not None
        assert url.get_secret_value() == "rediss://:a%2Fb%40c@[::1]:6379/3"


def test_the_default_tag_expiration_is_a_time() -> None:
    assert Settings().default_tag_expiration_s == 14 * 24 * 3600


def test_keys_are_missing_until_they_are_ensured() -> None:
    settings = Settings()
    with pytest.raises(LookupError, match="SECRET_KEY is not set"):
        _ = settings.secret_key
    with pytest.raises(LookupError, match="SECRET_KEY is not set"):
        _ = settings.page_token_key
    with pytest.raises(LookupError, match="DATABASE_SECRET_KEY is not set"):
        _ = settings.database_secret_keys


def test_the_page_token_key_is_derived_and_stable() -> None:
    one, other = (Settings(SECRET_KEY=SecretStr(letter * 32)) for letter in "ab")
    assert one.page_token_key == Settings(SECRET_KEY=SecretStr("a" * 32)).page_token_key
    assert one.page_token_key != other.page_token_key
    assert one.page_token_key.get_secret_value() != "a" * 32
    assert Settings(PAGE_TOKEN_KEY=SecretStr("c" * 32)).page_token_key.get_secret_value() == "c" * 32


def test_the_current_database_key_comes_first() -> None:
    current, former = SecretStr("a" * 32), SecretStr("b" * 32)
    settings = Settings(DATABASE_SECRET_KEY=current, DATABASE_SECRET_KEYS_PREVIOUS=[former])
    assert settings.database_secret_keys == (current, former)


def test_no_text_of_the_settings_has_a_secret() -> None:
    secret = "hush-hush-hush-hush-hush-hush-hush"
    settings = Settings.model_validate(
        {
            "SECRET_KEY": secret,
            "DATABASE_SECRET_KEY": secret,
            "DATABASE_SECRET_KEYS_PREVIOUS": [secret],
            "PAGE_TOKEN_KEY": secret,
            "DB_URI": f"postgresql://u:{secret}@h/n",
            "DB_CONNECTION_ARGS": {"password": secret},
            "BUILDLOGS_REDIS": {"host": "h", "password": secret},
            "DISTRIBUTED_STORAGE_CONFIG": {"s3": ["S3Storage", {"s3_secret_key": secret}]},
        }
    )
    assert "hush" not in f"{settings} {settings!r} {settings.db_uri} {settings.redis_url!r}"


def test_a_refusal_of_the_schema_has_no_secret() -> None:
    with pytest.raises(ValidationError) as error:
        Settings.model_validate({"SECRET_KEY": "hush-hush", "DB_URI": "mysql://u:hush@h/n", "NOPE": "hush"})
    assert "hush" not in f"{error.value} {error.value!r}"


def test_importing_the_settings_imports_no_database_and_no_server() -> None:
    program = "import sys, config.load, config.secrets; print(*sys.modules)"
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert not {"sqlalchemy", "flask", "redis", "boto3", "docker"} & set(done.stdout.split())
