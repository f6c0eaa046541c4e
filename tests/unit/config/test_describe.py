"""What people are shown of the settings."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from config.describe import MASK, describe
from config.settings import Settings


def test_every_key_is_described_as_plain_data() -> None:
    described = describe(Settings(DATA=Path("/data")))
    assert set(described) == set(Settings.model_fields)
    assert described["DATA"] == "/data"
    assert described["DB_URI"] == "sqlite:////data/drydock.db"
    assert described["BUILD_ENGINE_URL"] == "unix:///var/run/docker.sock"
    assert described["SECRET_KEY"] is None
    assert described["DISTRIBUTED_STORAGE_CONFIG"] == {"local": ["LocalStorage", {"storage_path": "storage"}]}
    assert json.loads(json.dumps(described)) == described


def test_secrets_are_masked_wherever_they_are() -> None:
    secret = "hush" * 8
    described = describe(
        Settings.model_validate(
            {
                "SECRET_KEY": secret,
                "DATABASE_SECRET_KEYS_PREVIOUS": [secret],
                "DB_CONNECTION_ARGS": {"sslpassword": secret, "connect_timeout": 3},
                "BUILDLOGS_REDIS": {"host": "h", "password": secret},
                "DISTRIBUTED_STORAGE_CONFIG": {
                    "s3": [
                        "S3Storage",
                        {
                            "s3_bucket": "b",
                            "s3_secret_key": secret,
                            "endpoint": f"https://u:{secret}@s3",
                            "credentials": {"a": secret},
                            "list": [{"token": secret}],
                        },
                    ]
                },
            }
        )
    )
    assert "hush" not in str(described)
    assert described["SECRET_KEY"] == MASK
    assert described["DATABASE_SECRET_KEYS_PREVIOUS"] == [MASK]
    assert described["DB_CONNECTION_ARGS"] == {"sslpassword": MASK, "connect_timeout": 3}
    assert described["BUILDLOGS_REDIS"] == {"host": "h", "port": 6379, "password": MASK, "db": 0, "ssl": False}
    assert "'s3_bucket': 'b'" in str(described["DISTRIBUTED_STORAGE_CONFIG"])


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://u:hush@h:5432/n", f"postgresql+psycopg://u:{MASK}@h:5432/n"),
        ("postgresql://u:hu@sh@h/n", f"postgresql+psycopg://u:{MASK}@h/n"),
        ("postgresql://u@h/n?sslmode=require", "postgresql+psycopg://u@h/n?sslmode=require"),
        ("postgresql://h/n?user=u&password=hush", f"postgresql+psycopg://{MASK}"),
    ],
)
def test_only_the_password_of_an_address_is_masked_if_it_can_be_told(uri: str, shown: str) -> None:
    assert describe(Settings(DB_URI=SecretStr(uri)))["DB_URI"] == shown


def test_the_redis_address_is_masked() -> None:
    described = describe(Settings(REDIS_URL=SecretStr("redis://:hush@h:6379/0")))
    assert described["REDIS_URL"] == f"redis://:{MASK}@h:6379/0"


def test_an_address_whose_password_cannot_be_told_from_the_rest_is_masked_whole() -> None:
    described = describe(Settings(REDIS_URL=SecretStr("unix://u:hu/sh@x/run/redis.sock")))
    assert described["REDIS_URL"] == f"unix://{MASK}"
