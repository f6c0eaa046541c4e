"""Where values come from and which wins, and what is printed when they are wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.load import ConfigError, load_settings

Errors = Callable[..., list[str]]


def test_without_file_and_environment_there_are_defaults() -> None:
    settings = load_settings(None, {})
    assert settings.SERVER_HOSTNAME == "localhost:8080"
    assert settings.data == Path("data").absolute()


def test_command_line_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("PORT: 1001\nWEB_WORKERS: 5\nWEB_THREADS: 7\n")
    settings = load_settings(file, {"DRYDOCK_PORT": "1002", "DRYDOCK_WEB_WORKERS": "6"}, PORT=1003, HOST=None)
    assert (settings.PORT, settings.WEB_WORKERS, settings.WEB_THREADS) == (1003, 6, 7)
    assert settings.HOST == "127.0.0.1"


def test_drydock_config_names_the_file_unless_one_is_given(tmp_path: Path) -> None:
    named, given = tmp_path / "named.yaml", tmp_path / "given.yaml"
    named.write_text("PORT: 1001")
    given.write_text("PORT: 1002")
    assert load_settings(None, {"DRYDOCK_CONFIG": str(named)}).PORT == 1001
    assert load_settings(given, {"DRYDOCK_CONFIG": str(named)}).PORT == 1002


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_gives_the_defaults(errors: Errors, text: str) -> None:
    assert errors(text) == []


def test_the_environment_gives_every_type() -> None:
    location = '{"s3": ["S3Storage", {"s3_bucket": "b"}]}'
    settings = load_settings(
        None,
        {
            "DRYDOCK_DATA": "/srv/drydock",
            "DRYDOCK_SERVER_HOSTNAME": "registry.example.com",
            "DRYDOCK_WEB_WORKERS": "3",
            "DRYDOCK_MAXIMUM_LAYER_SIZE": "20G",
            "DRYDOCK_FEATURE_BUILD_SUPPORT": "0",
            "DRYDOCK_FEATURE_PROXY_STORAGE": "True",
            "DRYDOCK_SUPER_USERS": "ann, bob,",
            "DRYDOCK_TAG_EXPIRATION_OPTIONS": "[1d, 2w]",
            "DRYDOCK_OUTBOUND_ALLOWED_PRIVATE_HOSTS": "LocalHost,127.0.0.0/8,::1",
            "DRYDOCK_DB_CONNECTION_ARGS": "{sslmode: require}",
            "DRYDOCK_DISTRIBUTED_STORAGE_CONFIG": location,
            "DRYDOCK_BUILDLOGS_REDIS": "{host: redis, ssl: true}",
            "DRYDOCK_SECRET_KEY": "0123456789" * 4,
            "DRYDOCK_DATABASE_SECRET_KEYS_PREVIOUS": "a" * 32 + "," + "b" * 32,
        },
    )
    assert settings.data == Path("/srv/drydock")
    assert settings.url == "http://registry.example.com"
    assert (settings.WEB_WORKERS, settings.MAXIMUM_LAYER_SIZE) == (3, 20 * 1024**3)
    assert (settings.FEATURE_BUILD_SUPPORT, settings.FEATURE_PROXY_STORAGE) == (False, True)
    assert (settings.SUPER_USERS, settings.TAG_EXPIRATION_OPTIONS) == (["ann", "bob"], ["1d", "2w"])
    assert settings.OUTBOUND_ALLOWED_PRIVATE_HOSTS == ["localhost", "127.0.0.0/8", "::1"]
    assert settings.DB_CONNECTION_ARGS == {"sslmode": "require"}
    assert settings.DISTRIBUTED_STORAGE_CONFIG == {"s3": ("S3Storage", {"s3_bucket": "b"})}
    assert settings.BUILDLOGS_REDIS is not None
    assert settings.BUILDLOGS_REDIS.ssl
    assert settings.secret_key.get_secret_value() == "0123456789" * 4
    assert len(settings.DATABASE_SECRET_KEYS_PREVIOUS) == 2


def test_an_empty_variable_unsets_a_key_that_may_be_unset_and_empties_a_list(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("REDIS_URL: redis://redis\nSUPER_USERS: [ann]\n")
    settings = load_settings(file, {"DRYDOCK_REDIS_URL": "", "DRYDOCK_SUPER_USERS": ""})
    assert settings.REDIS_URL is None
    assert settings.SUPER_USERS == []


def test_docker_host_is_the_engine_unless_one_is_configured() -> None:
    environ = {"DOCKER_HOST": "tcp://10.0.0.5:2376"}
    assert load_settings(None, environ).build_engine_url == "tcp://10.0.0.5:2376"
    environ["DRYDOCK_BUILD_ENGINE_URL"] = "unix:///run/other.sock"
    assert load_settings(None, environ).build_engine_url == "unix:///run/other.sock"
    assert load_settings(None, {}).build_engine_url == "unix:///var/run/docker.sock"


_NO_POLICY = (
    "1: DEFAULT_NAMESPACE_AUTOPRUNE_POLICY: expected a mapping with `method` and `value`: number_of_tags and how many "
    "stay, or creation_date and an age such as 30d, got a mapping"
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\nWEB_WORKERS: two", "2: WEB_WORKERS: expected a whole number of at least 1, got 'two'"),
        ("WEB_WORKERS: 0", "1: WEB_WORKERS: expected a whole number of at least 1, got 0"),
        ("WEB_WORKERS: true", "1: WEB_WORKERS: expected a whole number of at least 1, got true"),
        ("WEB_WORKERS: 2.5", "1: WEB_WORKERS: expected a whole number of at least 1, got 2.5"),
        ("WEB_WORKERS:", "1: WEB_WORKERS: expected a whole number of at least 1, got nothing"),
        ("WEB_WORKERS: [1]", "1: WEB_WORKERS: expected a whole number of at least 1, got a list"),
        ("BUILD_WORKERS: -1", "1: BUILD_WORKERS: expected a whole number of at least 0, got -1"),
        ("PORT: 70000", "1: PORT: expected a port number from 1 to 65535, got 70000"),
        ("FEATURE_BUILD_SUPPORT: 1", "1: FEATURE_BUILD_SUPPORT: expected true or false, got 1"),
        ("LOG_LEVEL: loud", "1: LOG_LEVEL: expected DEBUG, INFO, WARNING or ERROR, got 'loud'"),
        ("REGISTRY_TITLE: 1", "1: REGISTRY_TITLE: expected text of 1 to 255 characters, got 1"),
        ("DATA: 3", "1: DATA: expected the path of a folder, got 3"),
        ("HOST: 'a b'", "1: HOST: expected an address or host name, without scheme and port, got 'a b'"),
        (
            "SERVER_HOSTNAME: https://example.com",
            "1: SERVER_HOSTNAME: expected a host name with an optional port and no scheme, such as "
            "registry.example.com:5000, got 'https://example.com'",
        ),
        ("SUPER_USERS: ann", "1: SUPER_USERS: expected a list of names, got 'ann'"),
        ("SUPER_USERS:\n- ann\n- 7", "3: SUPER_USERS[1]: expected a name of 1 to 255 characters, got 7"),
        (
            "MAXIMUM_LAYER_SIZE: much",
            "1: MAXIMUM_LAYER_SIZE: expected a number of bytes, at least 1, or a size such as 512K, 64M, 20G or 1T, "
            "got 'much'",
        ),
        (
            "DEFAULT_TAG_EXPIRATION: 2024-01-01",
            "1: DEFAULT_TAG_EXPIRATION: expected a time such as 30s, 90m, 12h, 1d, 2w or 1y, at most 68y, got a date",
        ),
        (
            "OUTBOUND_ALLOWED_PRIVATE_HOSTS: [git, 10.0.0.5/8]",
            "1: OUTBOUND_ALLOWED_PRIVATE_HOSTS[1]: expected a host name, an address or a network such as 10.1.0.0/16, "
            "without scheme or port, got '10.0.0.5/8'",
        ),
        (
            "BUILD_ENGINE_URL: /var/run/docker.sock",
            "1: BUILD_ENGINE_URL: expected the address of a Docker engine, such as unix:///var/run/docker.sock or "
            "tcp://10.0.0.5:2376, got '/var/run/docker.sock'",
        ),
        (
            "DISTRIBUTED_STORAGE_PREFERENCE: []",
            "1: DISTRIBUTED_STORAGE_PREFERENCE: expected a list of names, got an empty list",
        ),
        (
            "DISTRIBUTED_STORAGE_CONFIG: {}",
            "1: DISTRIBUTED_STORAGE_CONFIG: expected location names, each with a driver and its parameters, such as "
            "[LocalStorage, {storage_path: storage}], got an empty mapping",
        ),
        (
            "DISTRIBUTED_STORAGE_CONFIG:\n  s3: [S3Storage]",
            "2: DISTRIBUTED_STORAGE_CONFIG.s3: expected a driver and its parameters, such as "
            "[LocalStorage, {storage_path: storage}], got a list",
        ),
        *(
            (f"DEFAULT_NAMESPACE_AUTOPRUNE_POLICY: {{{policy}}}", _NO_POLICY)
            for policy in (
                *("method: number_of_tags", "method: age, value: 30d", "method: number_of_tags, value: 0"),
                *("method: number_of_tags, value: true", "method: creation_date, value: 30"),
                *("method: creation_date, value: 0d", "method: creation_date, value: 1d, more: 1"),
            )
        ),
        (
            "BUILDLOGS_REDIS: localhost",
            "1: BUILDLOGS_REDIS: expected a mapping with host and, if need be, port, password, db and ssl, got text",
        ),
        (
            "BUILDLOGS_REDIS:\n  port: 6379",
            "1: BUILDLOGS_REDIS.host: expected an address or host name, without scheme and port, got nothing",
        ),
        (
            "BUILDLOGS_REDIS:\n  host: redis\n  port: '6379'",
            "3: BUILDLOGS_REDIS.port: expected a port number from 1 to 65535, got '6379'",
        ),
        ("BUILDLOGS_REDIS:\n  host: redis\n  prot: 1", "3: BUILDLOGS_REDIS.prot: unknown key; did you mean port?"),
        ("PORT: 1\nWEB_WORKER: 1", "2: WEB_WORKER: unknown key; did you mean WEB_WORKERS?"),
        ("web_workers: 1", "1: web_workers: unknown key; did you mean WEB_WORKERS?"),
        ("STRIPE_PLAN: x", "1: STRIPE_PLAN: unknown key; docs/configuration.md has all"),
        ("PORT: 1\nHOST: a\nPORT: 2", "3: PORT: stands twice, first in line 1; keep one"),
        (
            "BUILDLOGS_REDIS:\n  host: a\n  host: b",
            "3: BUILDLOGS_REDIS.host: stands twice, first in line 2; keep one",
        ),
        ("- PORT", "1: expected keys such as SERVER_HOSTNAME: registry.example.com"),
        ("PORT: [1", "1: is not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("REGISTRY_TITLE: 2024-99-99", "1: REGISTRY_TITLE: is not a valid date or number; put text into quotes"),
        ("SUPER_USERS: &a [*a]", "1: is nested too deeply"),
    ],
)
def test_a_wrong_file_is_told_by_line_key_and_what_was_expected(errors: Errors, text: str, told: str) -> None:
    assert errors(text) == [f"config.yaml:{told}"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "DISTRIBUTED_STORAGE_PREFERENCE: [s3, local]",
            "1: DISTRIBUTED_STORAGE_PREFERENCE: expected locations of DISTRIBUTED_STORAGE_CONFIG (local), got 's3'",
        ),
        (
            "DEFAULT_TAG_EXPIRATION: 3w",
            "1: DEFAULT_TAG_EXPIRATION: expected one of TAG_EXPIRATION_OPTIONS (0s, 1d, 1w, 2w, 4w), got '3w'",
        ),
        (
            "\nTAG_EXPIRATION_OPTIONS: [1d]",
            "2: TAG_EXPIRATION_OPTIONS: DEFAULT_TAG_EXPIRATION: expected one of TAG_EXPIRATION_OPTIONS (1d), got '2w'",
        ),
        (
            "BUILD_HEARTBEAT_SEC: 20",
            "1: BUILD_HEARTBEAT_SEC: BUILD_HEARTBEAT_TIMEOUT_SEC: expected at least twice BUILD_HEARTBEAT_SEC (40), "
            "got 30",
        ),
        (
            "BUILDLOGS_REDIS: {host: a}\nREDIS_URL: redis://a",
            "2: REDIS_URL: expected REDIS_URL or BUILDLOGS_REDIS, got both; keep one",
        ),
        (
            "BUILDLOGS_REDIS: {host: a}\nUSER_EVENTS_REDIS: {host: b}",
            "2: USER_EVENTS_REDIS: expected the same server as BUILDLOGS_REDIS, because Drydock uses one Redis; "
            "leave this key out",
        ),
    ],
)
def test_keys_that_do_not_fit_together_are_told(errors: Errors, text: str, told: str) -> None:
    assert errors(text) == [f"config.yaml:{told}"]


def test_all_problems_are_told_at_once_in_the_order_of_the_file(errors: Errors) -> None:
    text = "DEFAULT_TAG_EXPIRATION: 3w\nWEB_WORKERS: two\nNOPE: 1\nDISTRIBUTED_STORAGE_PREFERENCE: [s3]\nPORT: 0\n"
    assert errors(text, {"DRYDOCK_WEB_THREADS": "0"}, HOST="a b") == [
        "config.yaml:1: DEFAULT_TAG_EXPIRATION: expected one of TAG_EXPIRATION_OPTIONS (0s, 1d, 1w, 2w, 4w), got '3w'",
        "config.yaml:2: WEB_WORKERS: expected a whole number of at least 1, got 'two'",
        "config.yaml:3: NOPE: unknown key; docs/configuration.md has all",
        "config.yaml:4: DISTRIBUTED_STORAGE_PREFERENCE: expected locations of DISTRIBUTED_STORAGE_CONFIG (local), "
        "got 's3'",
        "config.yaml:5: PORT: expected a port number from 1 to 65535, got 0",
        "environment: DRYDOCK_WEB_THREADS: expected a whole number of at least 1, got 0",
        "command line: --host: expected an address or host name, without scheme and port, got 'a b'",
    ]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DRYDOCK_WEB_WORKERS", "two", "expected a whole number of at least 1, got 'two'"),
        ("DRYDOCK_FEATURE_BUILD_SUPPORT", "maybe", "expected true or false, got 'maybe'"),
        ("DRYDOCK_LOG_FORMAT", "", "expected text or json, got ''"),
        ("DRYDOCK_DB_CONNECTION_ARGS", "{", "expected names with values, got text"),
        ("DRYDOCK_PROT", "1", "unknown key; did you mean DRYDOCK_PORT?"),
        (
            "DRYDOCK_SERVICE_HOST",
            "10.0.0.1",
            "unknown key; Kubernetes set it for a service named drydock; set enableServiceLinks: false in the pod",
        ),
        (
            "DOCKER_HOST",
            "engine",
            "expected the address of a Docker engine, such as unix:///var/run/docker.sock or tcp://10.0.0.5:2376, "
            "got 'engine'",
        ),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(errors: Errors, name: str, value: str, told: str) -> None:
    assert errors("", {name: value}) == [f"environment: {name}: {told}"]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    with pytest.raises(ConfigError) as missing:
        load_settings(file, {})
    assert str(missing.value) == f"{file}: cannot be read: No such file or directory"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError) as binary:
        load_settings(file, {})
    assert str(binary.value) == f"{file}: cannot be read: it is not UTF-8 text"


def test_an_override_that_is_no_setting_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="NOPE is no setting"):
        load_settings(None, {}, NOPE=1)


def test_a_problem_has_its_parts(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("PORT: x")
    with pytest.raises(ConfigError) as error:
        load_settings(file, {})
    (problem,) = error.value.problems
    assert (problem.key, problem.line, problem.source) == ("PORT", 1, str(file))


@pytest.mark.parametrize(
    "text",
    [
        "SECRET_KEY: hush-hush",
        "SECRET_KEY: 31337000",
        "SECRET_KEY: [hush-hush]",
        "SECRET_KEY: *hush-hush",
        "SECRET_KEY: !hush-hush x",
        "SECRET_KEY: @hush-hush",
        "SECRET_KEY: 'hush-hush",
        "DATABASE_SECRET_KEYS_PREVIOUS: [hush-hush]",
        "DATABASE_SECRET_KEYS_PREVIOUS: hush-hush",
        "DB_URI: mysql://root:hush-hush@host/db",
        "DB_URI: postgresql://root:hush-hush@host:31337000/db",
        "REDIS_URL: hush-hush",
        "BUILDLOGS_REDIS: hush-hush",
        "BUILDLOGS_REDIS: {host: redis, password: 31337000}",
        "BUILDLOGS_REDIS: [hush-hush]",
        "DB_CONNECTION_ARGS: hush-hush",
        "DISTRIBUTED_STORAGE_CONFIG: {s3: [S3Storage, hush-hush]}",
        "DISTRIBUTED_STORAGE_CONFIG: {s3: [S3Storage, {s3_secret_key: hush-hush}, more]}",
        "SECRET_KEY: hush-hush\nDEFAULT_TAG_EXPIRATION: 3w\nNOPE: hush-hush",
    ],
)
def test_no_error_repeats_a_secret(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_settings(file, {})
    told = f"{error.value} {error.value!r} {error.value.problems!r}"
    assert "hush" not in told
    assert "31337" not in told
    assert error.value.__cause__ is None


def test_a_wrong_secret_is_told_by_its_type(errors: Errors) -> None:
    assert errors("SECRET_KEY: hush-hush\nDATABASE_SECRET_KEY: 31337000") == [
        "config.yaml:1: SECRET_KEY: expected text of at least 32 characters, in quotes, got text",
        "config.yaml:2: DATABASE_SECRET_KEY: expected text of at least 32 characters, in quotes, got a whole number",
    ]


def test_a_duration_fits_the_database(errors: Errors) -> None:
    assert errors("TAG_EXPIRATION_OPTIONS: [2w, 68y]") == []
    (problem,) = errors("TAG_EXPIRATION_OPTIONS: [2w, 69y]")
    assert "at most 68y, got '69y'" in problem


def test_services_to_sign_in_by_have_keys_of_their_own(tmp_path: Path, errors: Errors) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("KEYCLOAK_LOGIN_CONFIG:\n  OIDC_SERVER: https://login.example.com/realm/\n  CLIENT_ID: drydock\n")
    other = "{OIDC_SERVER: https://other.example.com, CLIENT_ID: us, LOGIN_SCOPES: [openid]}"
    services = load_settings(file, {"DRYDOCK_OTHER_LOGIN_CONFIG": other}).login_services
    assert {name: service.CLIENT_ID for name, service in services.items()} == {"keycloak": "drydock", "other": "us"}
    assert services["other"].LOGIN_SCOPES == ["openid"]
    assert load_settings(None, {}).login_services == {}
    wrong = "KEYCLOAK_LOGIN_CONFIG:\n  OIDC_SERVER: login.example.com\n  CLIENT_IDS: x\n"
    told = "\n".join(errors(wrong))
    assert "KEYCLOAK_LOGIN_CONFIG.OIDC_SERVER: expected an address such as" in told
    assert "KEYCLOAK_LOGIN_CONFIG.CLIENT_IDS: unknown key; did you mean CLIENT_ID?" in told
    assert "keycloak_LOGIN_CONFIG" in "\n".join(errors("keycloak_LOGIN_CONFIG: {}"))
