"""Build triggers: a git repository whose pushes become images. What their hooks bring is in `models.inbound`."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)
from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import joinedload

from models import audit, builds
from models.access import Identity
from models.errors import Conflict, Forbidden, Invalid, NotFound
from models.forges.custom import check_sha
from models.session import Session
from models.tables import Build, Repository, Trigger
from models.tables.jobs import JobResult
from models.tables.triggers import DisabledReason, Service
from models.trigger_config import build_options, checked, git_url, places_of, tags_for
from models.vault import new_token

MOST_TRIGGERS = 100
"""In one repository."""
WRITE_TOKEN_LENGTH = 64
NOT_SUFFICIENT = "Trigger config is not sufficient for activation."


@dataclass(frozen=True)
class Registered:
    """What a forge made for a trigger: the ids to remove it by, and what it told of the repository."""

    hook_id: str | None = None
    deploy_key_id: str | None = None
    default_branch: str | None = None
    git_url: str | None = None


@dataclass(frozen=True)
class Opened:
    """A trigger's secrets, for who works with it outside of a transaction."""

    private_key: str
    public_key: str
    auth_token: str
    hook_secret: str


def create_trigger(
    session: Session,
    repository: Repository,
    service: Service,
    config: Mapping[str, Any],
    *,
    auth_token: str | None,
    known_hosts: str,
    actor: Identity,
) -> Trigger:
    """A trigger that waits to be activated, with its key pair, write token and hook secret.

    `auth_token`: opens the forge's REST API or the git server over https. `known_hosts`: lines as ssh keeps them; none:
    the server's key is learnt at the first use. Invalid: a key of `config`; Conflict: too many.
    """
    kept = checked(service, dict(config))
    number = session.scalar(select(func.count()).select_from(Trigger).where(Trigger.repository_id == repository.id))
    if (number or 0) >= MOST_TRIGGERS:
        raise Conflict(f"The repository has {MOST_TRIGGERS} triggers already")
    private, _ = new_key_pair()
    trigger = Trigger(
        repository=repository,
        service=service,
        config=kept,
        created_by=actor.name,
        encrypted_write_token=session.vault.encrypt(new_token(WRITE_TOKEN_LENGTH)),
        encrypted_hook_secret=session.vault.encrypt(new_token()),
        encrypted_private_key=session.vault.encrypt(private),
        encrypted_auth_token=session.vault.encrypt(auth_token) if auth_token else None,
        known_hosts=known_hosts,
    )
    session.add(trigger)
    session.flush()
    return trigger


def get_trigger(session: Session, repository: Repository, uuid: str) -> Trigger:
    """A trigger of the repository; NotFound. Quay operation getBuildTrigger."""
    trigger = session.scalar(_triggers().where(Trigger.uuid == uuid, Trigger.repository_id == repository.id))
    if trigger is None:
        raise NotFound("Not Found")
    return trigger


def find_trigger(session: Session, uuid: str) -> Trigger | None:
    """A trigger, for who holds its write token."""
    return session.scalar(_triggers().where(Trigger.uuid == uuid))


def list_triggers(session: Session, repository: Repository) -> Sequence[Trigger]:
    """The repository's triggers, oldest first. Quay operation listBuildTriggers."""
    return session.scalars(_triggers().where(Trigger.repository_id == repository.id).order_by(Trigger.id)).all()


def list_trigger_builds(session: Session, repository: Repository, uuid: str, *, limit: int) -> Sequence[Build]:
    """The builds that a trigger started, newest first; none for a trigger that does not exist, as in Quay."""
    trigger = session.scalar(select(Trigger.id).where(Trigger.uuid == uuid, Trigger.repository_id == repository.id))
    return builds.list_builds(session, repository, limit=limit, trigger_id=trigger) if trigger else []


def check_activation(
    session: Session, trigger: Trigger, config: Mapping[str, Any], pull_robot: str | None, *, actor: Identity
) -> dict[str, Any]:
    """The whole configuration that the trigger would get; Invalid if it does not do, or the trigger is active.

    Forbidden: somebody else's auth_token would go elsewhere. It and NotFound: the robot, as in `builds.start_build`.
    """
    if trigger.active:
        raise Invalid(NOT_SUFFICIENT)
    whole = checked(trigger.service, {**trigger.config, **config})
    if not whole.get("build_source"):
        raise Invalid(f"{NOT_SUFFICIENT} build_source: this field is required")
    git_url(trigger.service, whole)  # Invalid if the forge's place is not known
    _refuse_elsewhere(trigger, whole, actor)
    if pull_robot:
        builds.usable_robot(session, pull_robot, actor)
    return whole


def _refuse_elsewhere(trigger: Trigger, whole: Mapping[str, Any], actor: Identity) -> None:
    """Send somebody's auth_token to no place that another administrator names."""
    if trigger.encrypted_auth_token is None or trigger.created_by == actor.name:
        return
    if changed := [key for key in places_of(trigger.service) if whole.get(key) != trigger.config.get(key)]:
        raise Forbidden(f"{changed[0]}: only who gave the auth_token may send it to another place")


def activate_trigger(
    session: Session,
    trigger: Trigger,
    config: Mapping[str, Any],
    pull_robot: str | None,
    registered: Registered,
    *,
    actor: Identity,
) -> None:
    """Let pushes start builds from now on. Quay operation activateBuildTrigger."""
    whole = check_activation(session, trigger, config, pull_robot, actor=actor)
    made = {
        "hook_id": registered.hook_id,
        "deploy_key_id": registered.deploy_key_id,
        "master_branch": registered.default_branch,
        "git_url": registered.git_url,
    }
    trigger.config = whole | {key: value for key, value in made.items() if value}
    trigger.pull_robot = builds.usable_robot(session, pull_robot, actor) if pull_robot else None
    trigger.active = True
    audit.record(
        session,
        "setup_repo_trigger",
        actor=actor,
        repository=trigger.repository,
        trigger_id=trigger.uuid,
        service=trigger.service,
        pull_robot=pull_robot,
        config=trigger.config,
    )


def toggle_trigger(session: Session, trigger: Trigger, *, enabled: bool, actor: Identity) -> None:
    """Let the trigger start builds, or not; Invalid before it is active. Quay operation updateBuildTrigger."""
    if not trigger.active:
        raise Invalid("Cannot update an unactivated trigger")
    trigger.enabled = enabled
    trigger.disabled_reason = None if enabled else "user_toggled"
    trigger.failures = trigger.internal_errors = 0
    audit.record(
        session,
        "toggle_repo_trigger",
        actor=actor,
        repository=trigger.repository,
        trigger_id=trigger.uuid,
        service=trigger.service,
        enabled=enabled,
    )


def remove_trigger(session: Session, trigger: Trigger, *, actor: Identity) -> None:
    """Remove the trigger; its builds stay. Quay operation deleteBuildTrigger."""
    audit.record(
        session,
        "delete_repo_trigger",
        actor=actor,
        repository=trigger.repository,
        trigger_id=trigger.uuid,
        service=trigger.service,
        config=trigger.config,
    )
    session.flush()
    session.delete(trigger)


def start_trigger(
    session: Session,
    trigger: Trigger,
    metadata: Mapping[str, Any],
    *,
    actor: Identity,
    manual: bool,
    limit: int | None,
) -> Build:
    """Put a build of this commit into the queue. Invalid: the trigger is not active or not enabled; TooMany."""
    check_startable(trigger)
    dockerfile, context = builds.paths_in_archive(
        trigger.config.get("dockerfile_path"), trigger.config.get("subdir"), trigger.config.get("context")
    )
    return builds.start_git_build(
        session,
        trigger,
        metadata,
        dockerfile_path=dockerfile,
        context=context,
        tags=tags_for(trigger.config, metadata),
        actor=actor,
        manual=manual,
        limit=limit,
        options=build_options(trigger.config),
    )


def check_startable(trigger: Trigger) -> None:
    """Invalid unless the trigger may start builds; the words are Quay's."""
    if not trigger.active:
        raise Invalid("Trigger is not active.")
    if not trigger.enabled:
        raise Invalid("Trigger is not enabled.")


def manual_commit(commit_sha: str | None) -> str:
    """The commit that a custom-git trigger is started for by hand; Invalid, in Quay's words."""
    if commit_sha is None:
        raise Invalid("missing required parameter")
    check_sha(commit_sha)
    return commit_sha


def count_result(session: Session, build_uuid: str, result: JobResult, *, failures: int, internal_errors: int) -> None:
    """Note how a trigger's build ended, and disable the trigger after so many in a row that failed.

    `failures`, `internal_errors`: after how many; 0 is never. A build that somebody cancelled counts for nothing.
    """
    trigger_id = session.scalar(select(Build.trigger_id).where(Build.uuid == build_uuid))
    if trigger_id is None or result == "cancelled":
        return
    counts = {
        "failures": Trigger.failures + 1 if result == "error" else 0,
        "internal_errors": Trigger.internal_errors + 1 if result == "internalerror" else 0,
    }
    session.execute(update(Trigger).where(Trigger.id == trigger_id).values(counts))
    limits: tuple[tuple[Any, int, DisabledReason], ...] = (
        (Trigger.failures, failures, "successive_build_failures"),
        (Trigger.internal_errors, internal_errors, "successive_build_internal_errors"),
    )
    for column, limit, reason in limits:
        if limit:
            reached = update(Trigger).where(Trigger.id == trigger_id, Trigger.enabled.is_(True), column >= limit)
            session.execute(reached.values(enabled=False, disabled_reason=reason))


def holds_write_token(session: Session, trigger: Trigger, token: str) -> bool:
    """Whether this is the trigger's write token."""
    known = write_token(session, trigger)
    return bool(known) and hmac.compare_digest(known.encode(), token.encode())


def write_token(session: Session, trigger: Trigger) -> str:
    """The token in the hook's URL."""
    return _opened(session, trigger.encrypted_write_token)


def hook_secret(session: Session, trigger: Trigger) -> str:
    """What signs deliveries."""
    return _opened(session, trigger.encrypted_hook_secret)


def private_key(session: Session, trigger: Trigger) -> str:
    """The key that opens the git repository, as OpenSSH writes it."""
    return _opened(session, trigger.encrypted_private_key)


def auth_token(session: Session, trigger: Trigger) -> str:
    """What opens the forge's REST API, or the repository over https; empty if there is none."""
    return _opened(session, trigger.encrypted_auth_token)


def public_key(session: Session, trigger: Trigger) -> str:
    """The public half of the trigger's key, one line as in `authorized_keys`."""
    sealed = private_key(session, trigger)
    return public_line(sealed) if sealed else ""


def opened(session: Session, trigger: Trigger) -> Opened:
    """The trigger's secrets."""
    return Opened(
        private_key(session, trigger),
        public_key(session, trigger),
        auth_token(session, trigger),
        hook_secret(session, trigger),
    )


def registered_of(trigger: Trigger) -> Registered:
    """What the forge made for the trigger."""
    return Registered(trigger.config.get("hook_id"), trigger.config.get("deploy_key_id"))


def new_key_pair() -> tuple[str, str]:
    """(private key as OpenSSH keeps it, public key in one line): ed25519."""
    made = Ed25519PrivateKey.generate()
    private = made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return private, public_line(private)


def public_line(private: str) -> str:
    """The public half of a private key."""
    key = load_ssh_private_key(private.encode(), password=None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _opened(session: Session, sealed: str | None) -> str:
    return session.vault.decrypt(sealed) if sealed else ""


def _triggers() -> Select[Trigger]:
    return select(Trigger).options(
        joinedload(Trigger.repository).joinedload(Repository.namespace), joinedload(Trigger.pull_robot)
    )
