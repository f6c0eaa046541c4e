"""What a worker needs to carry out a build, and what it reports back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, select, update

from models import triggers
from models.build_options import NO_OPTIONS, BuildOptions, options_of
from models.builds import KIND, find_build
from models.registry_credentials import logins_for
from models.session import Session
from models.tables import Build, Job, RepositoryToken, Trigger
from models.tables.base import now
from models.trigger_config import git_url
from models.trigger_secrets import secrets_of
from models.vault import new_token


@dataclass(frozen=True)
class Login:
    """A user name and password that the registry knows."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class GitOrder:
    """A commit to be built; `auth_token` and `private_key` open its repository, which ssh finds by `known_hosts`."""

    url: str
    commit: str
    ref: str | None
    submodules: bool
    known_hosts: str
    private_key: str = field(repr=False)
    auth_token: str = field(repr=False)


@dataclass(frozen=True)
class Order:
    """A build as it is to be carried out. `repository` is `namespace/name`; paths are relative to the source's root.

    The source is what `archive_url` gives or, where that is None, `git`. `own` opens the build's own repository, for as
    long as the build may take; `robot` is the pull robot's; `logins` open other registries. `scope` names what builds
    of the repository share, and nobody can guess it.
    """

    uuid: str
    repository: str
    repository_id: int
    writable: bool
    archive_url: str | None
    git: GitOrder | None
    dockerfile_path: str
    context: str
    tags: tuple[str, ...]
    own: Login
    robot: Login | None
    options: BuildOptions = NO_OPTIONS
    scope: str | None = None
    logins: Mapping[str, Login] = field(default_factory=dict)


def take_order(session: Session, uuid: str, *, lifetime: timedelta) -> Order | None:
    """The order for a build, with a new token for its repository; None if what it needs is gone."""
    build = find_build(session, uuid)
    if build is None or (build.archive_url is None and build.trigger is None):
        return None
    withdraw_token(session, uuid)
    token = new_token(64)
    session.add(
        RepositoryToken(
            repository_id=build.repository_id,
            friendly_name=_token_name(uuid),
            role="write",
            token_hash=session.vault.fingerprint(token),
            expires_at=now() + lifetime,
        )
    )
    robot = build.pull_robot
    sealed = robot.encrypted_token if robot else None
    return Order(
        uuid=uuid,
        repository=build.repository.path,
        repository_id=build.repository_id,
        writable=build.repository.state == "NORMAL",
        archive_url=build.archive_url,
        git=_git_order(session, build.trigger, build.trigger_metadata) if build.trigger else None,
        dockerfile_path=build.dockerfile_path,
        context=build.context,
        tags=tuple(build.tags),
        own=Login("$token", token),
        robot=Login(robot.name, session.vault.decrypt(sealed)) if robot and sealed else None,
        options=options_of(build.build_args, build.options, _secrets(session, build)),
        logins={name: Login(*login) for name, login in logins_for(session, build.repository).items()},
        scope=session.vault.fingerprint(f"build cache of repository {build.repository_id}"),
    )


def _secrets(session: Session, build: Build) -> dict[str, str]:
    """Those of the trigger, and those of the request, which come first."""
    sealed = build.encrypted_secrets
    stored = secrets_of(session, build.trigger) if build.trigger else {}
    return stored | (json.loads(session.vault.decrypt(sealed)) if sealed else {})


def _git_order(session: Session, trigger: Trigger, metadata: Mapping[str, Any]) -> GitOrder:
    return GitOrder(
        url=git_url(trigger.service, trigger.config),
        commit=str(metadata["commit"]),
        ref=metadata.get("ref"),
        submodules=bool(trigger.config.get("submodules", True)),
        known_hosts=trigger.known_hosts,
        private_key=triggers.private_key(session, trigger),
        auth_token=triggers.auth_token(session, trigger),
    )


def record_commit(session: Session, uuid: str, commit: Mapping[str, Any], known_hosts: str) -> None:
    """Keep what git told of the commit that is built, and the ssh server's keys if there were none before.

    `commit`: Quay's `commit`, and `commit_info` where the push told none.
    """
    build = find_build(session, uuid)
    if build is None:
        return
    build.trigger_metadata = {**commit, **build.trigger_metadata, "commit": commit["commit"]}
    if known_hosts:
        first = and_(Trigger.id == build.trigger_id, Trigger.known_hosts == "")
        session.execute(update(Trigger).where(first).values(known_hosts=known_hosts))


def forget_secrets(session: Session, uuid: str) -> None:
    """Remove the secrets of a build that has ended."""
    session.execute(update(Build).where(Build.uuid == uuid).values(encrypted_secrets=None))


def record_inputs(session: Session, uuid: str, inputs: dict[str, Any]) -> None:
    """Keep what the image is made of."""
    session.execute(update(Build).where(Build.uuid == uuid).values(inputs=inputs))


def withdraw_token(session: Session, uuid: str) -> None:
    """Remove the token that a build pushed with; there may be none."""
    owner = select(Build.repository_id).where(Build.uuid == uuid)
    mine = and_(RepositoryToken.repository_id.in_(owner), RepositoryToken.friendly_name == _token_name(uuid))
    session.execute(delete(RepositoryToken).where(mine).execution_options(synchronize_session=False))


def record_result(session: Session, uuid: str, *, status: dict[str, Any], image_digest: str | None) -> None:
    """Keep how far the build came, and the digest of the image it made."""
    session.execute(update(Build).where(Build.uuid == uuid).values(status=status, image_digest=image_digest))


def record_logs(session: Session, uuid: str, path: str, lines: int) -> None:
    """The job's log has been archived: this many entries at this path in storage."""
    session.execute(update(Job).where(Job.uuid == uuid).values(logs_path=path, log_lines=lines))


def unarchived(session: Session, *, since: datetime, until: datetime, limit: int = 100) -> list[str]:
    """The builds that ended between the two moments and whose log nobody archived."""
    ended = and_(Job.state == "finished", Job.finished_at >= since, Job.finished_at <= until)
    tried = and_(Job.kind == KIND, Job.attempts > 0, Job.logs_path.is_(None))
    return list(session.scalars(select(Job.uuid).where(ended, tried).order_by(Job.id).limit(limit)))


def _token_name(uuid: str) -> str:
    return f"build {uuid}"
