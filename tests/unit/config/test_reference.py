"""The documents agree with the schema."""

from pathlib import Path

from config.kinds import kind_of
from config.load import load_settings
from config.reference import reference
from config.schema import GROUPS
from config.settings import Settings

ROOT = Path(__file__).parents[3]


def test_the_committed_reference_is_what_the_schema_gives() -> None:
    committed = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert committed == reference(), "run: python -m config.reference docs/configuration.md"


def test_every_key_stands_in_one_group_with_a_kind_and_a_meaning() -> None:
    grouped = [key for group in GROUPS for key in group.model_fields]
    assert sorted(grouped) == sorted(Settings.model_fields)
    for field in Settings.model_fields.values():
        assert kind_of(field).expected
        assert field.description
        assert field.description.endswith(".")


def test_the_example_loads_as_a_production_set_up() -> None:
    settings = load_settings(ROOT / "conf" / "config.example.yaml", {})
    assert not settings.embedded
    assert settings.redis_url is not None
    assert settings.DISTRIBUTED_STORAGE_CONFIG["s3"][0] == "S3Storage"
    assert settings.url == "https://registry.example.com"
