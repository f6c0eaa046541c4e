# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that the others start at once
"""`drydock`: every command, what it takes and what it says. What they do is in the other modules of this package."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.options import ConfigOption, DataOption, PasswordOption, Refused, checked_settings, settings_from
from config.load import FILE_VARIABLE, ConfigError

app = typer.Typer(
    help="A self-hosted container registry and image-build service.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_group = typer.Typer(help="Check configuration files, make secrets.", no_args_is_help=True)
user_group = typer.Typer(help="Manage users.", no_args_is_help=True)
token_group = typer.Typer(help="Manage access tokens.", no_args_is_help=True)
quota_group = typer.Typer(help="Look after what namespaces use.", no_args_is_help=True)
access_group = typer.Typer(help="Review who may do what.", no_args_is_help=True)
secrets_group = typer.Typer(help="Manage what is stored encrypted.", no_args_is_help=True)
app.add_typer(config_group, name="config")
app.add_typer(user_group, name="user")
app.add_typer(token_group, name="token")
app.add_typer(quota_group, name="quota")
app.add_typer(access_group, name="access")
app.add_typer(secrets_group, name="secrets")


@app.callback()
def choose_configuration(config: ConfigOption = None) -> None:
    """Let `drydock --config FILE COMMAND` mean what `drydock COMMAND --config FILE` means."""
    if config is not None:
        os.environ[FILE_VARIABLE] = str(config)


@app.command()
def serve(
    config: ConfigOption = None,
    data: DataOption = None,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(metavar="PORT", help="Port to listen on.")] = None,
) -> None:
    """Run everything: web, workers, scheduler and, if none is configured, a private Redis. Ctrl-C ends all of it."""
    from cli.serve import run

    raise typer.Exit(run(settings_from(config, data, HOST=host, PORT=port), config))


@app.command()
def web(
    config: ConfigOption = None,
    data: DataOption = None,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(metavar="PORT", help="Port to listen on.")] = None,
) -> None:
    """Run the web processes only: registry, REST API and pages."""
    from cli.roles import run_web

    run_web(settings_from(config, data, HOST=host, PORT=port), config)


@app.command()
def worker(
    config: ConfigOption = None,
    data: DataOption = None,
    queues: Annotated[
        str | None, typer.Option(metavar="A,B", help="Work on these queues only, the first one first.")
    ] = None,
) -> None:
    """Run workers only: they build images, one at a time, and beside that send mail and notifications."""
    from cli.logs import configure_logging
    from cli.roles import run_worker

    settings = settings_from(config, data)
    configure_logging(settings, "worker")
    names = [name.strip() for name in queues.split(",") if name.strip()] if queues is not None else None
    raise typer.Exit(run_worker(settings, config, names))


@app.command()
def scheduler(config: ConfigOption = None, data: DataOption = None) -> None:
    """Run the scheduler only: it takes care of what is due. One is enough; a second one does no harm."""
    from cli.logs import configure_logging
    from cli.roles import run_scheduler

    settings = settings_from(config, data)
    configure_logging(settings, "scheduler")
    raise typer.Exit(run_scheduler(settings))


@app.command()
def migrate(config: ConfigOption = None, data: DataOption = None) -> None:
    """Bring the database to the tables of this version. Processes of the version before go on working."""
    from cli.database import migrate

    applied = migrate(settings_from(config, data))
    typer.echo(f"Applied the migrations {', '.join(applied)}." if applied else "The database is up to date.")


@app.command(hidden=True)
def prepare(config: ConfigOption = None, data: DataOption = None) -> None:
    """Migrate, and create the first superuser if there is no user: the first thing that `serve` does."""
    from cli.database import prepare

    prepare(settings_from(config, data))


@app.command()
def gc(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go, and how much it is.")] = False,
    thorough: Annotated[
        bool,
        typer.Option("--thorough", help="Look at every row and list the whole store, which else takes a day."),
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Collect what nothing names any more. Safe at any time; the scheduler does it as well."""
    from cli.maintenance import forecast, run_collection

    settings = settings_from(config, data)
    if dry_run:
        forecast(settings)
    else:
        run_collection(settings, thorough=thorough)


@app.command()
def prune(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell which policy would end which tags, and what becomes free.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """End the tags that auto-prune policies want to end. Safe at any time; the scheduler does it as well."""
    from cli.policies import forecast_pruning, run_pruning

    settings = settings_from(config, data)
    if dry_run:
        forecast_pruning(settings)
    else:
        run_pruning(settings)


@app.command("why-kept")
def why_kept(
    digest: Annotated[str, typer.Argument(help="Of a blob or a manifest: sha256:…", show_default=False)],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Tell everything that keeps a blob or a manifest from being collected."""
    from cli.maintenance import explain_kept

    explain_kept(settings_from(config, data), digest)


@app.command()
def fsck(
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Read every blob and compare its digest.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Check that nothing is missing: bytes, blobs, manifests, tags. Exits with 1 if something is."""
    from cli.maintenance import check_everything

    raise typer.Exit(1 if check_everything(settings_from(config, data), deep=deep) else 0)


@quota_group.command("audit")
def audit_quota(
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Set right what is wrong.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Count again what every namespace uses. Exits with 1 if a sum was wrong and is still."""
    from cli.maintenance import audit_quota

    raise typer.Exit(1 if audit_quota(settings_from(config, data), repair=repair) else 0)


@config_group.command("check")
def check_config(file: Annotated[Path, typer.Argument(help="The YAML file to check.", show_default=False)]) -> None:
    """Tell everything that is wrong with a configuration file, DRYDOCK_* variables included."""
    checked_settings(file)
    typer.echo(f"{file} is a valid configuration.")


@config_group.command("secret")
def print_secret() -> None:
    """Print a fresh secret, for SECRET_KEY or DATABASE_SECRET_KEY."""
    from config.secrets import new_secret

    typer.echo(new_secret())


@user_group.command("create")
def create_user(
    name: Annotated[str, typer.Argument(help="The user's name, which is also its namespace.", show_default=False)],
    *,
    email: Annotated[str, typer.Option(help="The user's e-mail address.", show_default=False)],
    password: PasswordOption,
    superuser: Annotated[bool, typer.Option("--superuser", help="May administer this installation.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Create a user."""
    from cli.people import add_user

    given = _password(password)
    add_user(settings_from(config, data), name, email=email, password=given, superuser=superuser)
    typer.echo(f"Created the user {name}.")


@user_group.command("password")
def set_password(
    name: Annotated[str, typer.Argument(help="The user's name.", show_default=False)],
    *,
    password: PasswordOption,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Give a user, be it a superuser, another password. It is signed out everywhere."""
    from cli.people import set_password

    set_password(settings_from(config, data), name, _password(password))
    typer.echo(f"{name} has another password.")


def _password(given: str) -> str:
    return sys.stdin.readline().rstrip("\r\n") if given == "-" else given


@token_group.command("create")
def create_token(
    user: Annotated[str, typer.Argument(help="The user that the token acts for.", show_default=False)],
    scopes: Annotated[str, typer.Option(help="What it may do, such as 'repo:read repo:write'.", show_default=False)],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Create an OAuth access token and print it, and nothing else."""
    from cli.people import add_token

    typer.echo(add_token(settings_from(config, data), user, scopes))


@token_group.command("list")
def list_tokens(
    user: Annotated[str | None, typer.Option(help="Only the tokens that act for this user.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """List OAuth access tokens, one a line: id, user, scopes, application, last use, end; tabs between them."""
    from cli.people import list_tokens

    for line in list_tokens(settings_from(config, data), user):
        typer.echo(line)


@token_group.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(metavar="ID", help="The token's id, as listed.", show_default=False)],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """End an OAuth access token: it is void at once."""
    from cli.people import revoke_token

    owner = revoke_token(settings_from(config, data), token)
    typer.echo(f"Revoked an access token of {owner}.")


@access_group.command("matrix")
def show_access_matrix(
    form: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="For people, or for programs.")
    ] = "table",
) -> None:
    """Print who may call which operation: every operation, with everybody and every scope tried on its rule."""
    from cli.access import show_matrix

    typer.echo(show_matrix(form))


@secrets_group.command("rotate")
def rotate(config: ConfigOption = None, data: DataOption = None) -> None:
    """Encrypt stored secrets anew with DATABASE_SECRET_KEY.

    Before: set a new DATABASE_SECRET_KEY, put the former one into DATABASE_SECRET_KEYS_PREVIOUS, restart everything.
    """
    from cli.database import migrated
    from models.rotation import rotate_secrets

    with migrated(settings_from(config, data)) as database:
        rotated = rotate_secrets(database)
    typer.echo("Encrypted anew: " + ", ".join(f"{number} of {table}" for table, number in rotated.items()) + ".")
    typer.echo("Access tokens are kept as hashes: those made under a former key need it until they are replaced.")


@secrets_group.command("rotate-service-key")
def rotate_service_key(config: ConfigOption = None, data: DataOption = None) -> None:
    """Sign registry tokens with a new key from now on. Those in flight stay valid until they expire."""
    from cli.database import migrated
    from registry.tokens import rotate_key

    settings = settings_from(config, data)
    with migrated(settings) as database:
        kid = rotate_key(database, lifetime_s=settings.REGISTRY_TOKEN_LIFETIME_SEC)
    typer.echo(f"Registry tokens are signed by the key {kid} within a minute.")


def main() -> None:
    """Run a command. What can be expected to go wrong is told in a sentence, without a traceback."""
    try:
        app()
    except Exception as exc:
        told = explain(exc)
        if told is None:
            raise
        typer.echo(told, err=True)
        sys.exit(1)


def explain(error: Exception) -> str | None:
    """The sentence for a person at the terminal; None for what nobody could expect."""
    if isinstance(error, (Refused, ConfigError)):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror

    from redis.exceptions import RedisError
    from sqlalchemy.exc import DBAPIError

    from models.errors import DomainError
    from models.migrate import MigrationError
    from models.vault import Undecryptable
    from storage.driver import StorageError

    if isinstance(error, DBAPIError):
        return f"The database does not do what is needed: {str(error.orig).splitlines()[0]}"
    if isinstance(error, RedisError):
        return f"Redis does not answer: {error}"
    return str(error) if isinstance(error, (DomainError, MigrationError, StorageError, Undecryptable)) else None


if __name__ == "__main__":
    main()
