"""Image builds: ask for one, see how it goes, cancel it. What carries them out is in `buildworker`."""

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload

from config.kinds import EngineKind
from models import audit, build_events, build_queue, jobs
from models.access import Identity, administers, find_namespace
from models.build_options import NO_OPTIONS, BuildOptions, check_feature, check_options
from models.errors import Invalid, NotFound, ReadOnly, TooMany
from models.redaction import without_query
from models.session import Session
from models.tables import Account, Build, Job, Repository, Robot, Trigger

KIND = "build"
CANCELLABLE = frozenset({"waiting", "build-scheduled", "unpacking", "pulling", "building"})
"""Phases in which a build can be cancelled: before its image begins to appear in the registry."""
LONGEST_PATH = 1024
MOST_TAGS = 100
_LONGEST_URL = 8192
_URL = re.compile(r"[^\x00-\x20\x7f\\]+")  # what the worker fetches
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Source:
    """What to build from: an archive's URL, and the Dockerfile and the context folder in it. Paths begin at its root.

    `file_id` names an uploaded archive; there are no uploads yet, so none is known.
    """

    archive_url: str | None
    file_id: str | None
    dockerfile_path: str
    context: str


def paths_in_archive(dockerfile_path: str | None, subdirectory: str | None, context: str | None) -> tuple[str, str]:
    """(path of the Dockerfile, context folder) for what a request names of them; the rules are Quay's.

    The Dockerfile's folder is the context unless another is named.
    """
    if dockerfile_path is None:
        folder = next((path for path in (subdirectory, context) if path is not None), "/")
        dockerfile_path = f"{folder.rstrip('/')}/Dockerfile"
        return dockerfile_path, folder if context is None else context
    return dockerfile_path, posixpath.dirname(dockerfile_path) if context is None else context


def start_build(
    session: Session,
    repository: Repository,
    source: Source,
    *,
    tags: Sequence[str],
    pull_robot: str | None,
    actor: Identity,
    limit: int | None,
    options: BuildOptions = NO_OPTIONS,
    engine: EngineKind = "docker",
) -> Build:
    """Put a build into the queue. Quay operation requestRepoBuild.

    `pull_robot`: the robot whose credentials pull base images; the caller must administer its namespace, or could use
    a build to read what only the robot may (Forbidden; NotFound if there is no such robot). `limit`: how many builds
    may wait or run in the namespace (TooMany). `engine`: what will build it. Invalid: source, tags, or
    options, also those that the engine has not. ReadOnly: the repository's state.
    """
    _check_source(source)
    robot = usable_robot(session, pull_robot, actor) if pull_robot else None
    if source.file_id or source.archive_url is None:
        raise Invalid(f"File {source.file_id} could not be found or is invalid")
    _check_tags(tags)
    check_options(options)
    if options.secrets:
        check_feature(engine, "secrets", "secrets")
    build = _queue(session, repository, limit)
    build.display_name = hashlib.sha224(source.archive_url.encode()).hexdigest()[:7]
    build.archive_url = source.archive_url
    build.dockerfile_path, build.context = source.dockerfile_path, source.context
    build.tags = list(tags)
    _note_options(session, build, options)
    build.pull_robot = robot
    build.manual_user = actor.name
    _record_request(session, build, actor=actor, archive_url=without_query(source.archive_url, mark=""))
    return build


def start_git_build(
    session: Session,
    trigger: Trigger,
    metadata: Mapping[str, Any],
    *,
    dockerfile_path: str,
    context: str,
    tags: Sequence[str],
    actor: Identity,
    manual: bool,
    limit: int | None,
    options: BuildOptions = NO_OPTIONS,
) -> Build:
    """Put a build of one commit of the trigger's git repository into the queue.

    `metadata`: `commit`, `git_url` and what else is known of the push. `limit` and refusals as in `start_build`.
    """
    build = _queue(session, trigger.repository, limit)
    build.display_name = str(metadata["commit"])[:7]
    build.trigger = trigger
    build.trigger_metadata = dict(metadata)
    build.dockerfile_path, build.context = dockerfile_path, context
    build.tags = list(tags)
    _note_options(session, build, options)
    build.pull_robot = trigger.pull_robot
    build.manual_user = actor.name if manual else None
    _record_request(
        session,
        build,
        actor=actor,
        trigger_id=trigger.uuid,
        trigger_kind=trigger.service,
        trigger_metadata=dict(metadata),
    )
    return build


def get_build(session: Session, repository: Repository, uuid: str) -> Build:
    """A build of the repository; NotFound. Quay operation getRepoBuild."""
    build = session.scalar(_builds().where(Build.uuid == uuid, Build.repository_id == repository.id))
    if build is None:
        raise NotFound("Not Found")
    return build


def find_build(session: Session, uuid: str) -> Build | None:
    """A build, for the worker that carries it out."""
    return session.scalar(_builds().where(Build.uuid == uuid))


def list_builds(
    session: Session,
    repository: Repository,
    *,
    limit: int,
    since: datetime | None = None,
    trigger_id: int | None = None,
) -> Sequence[Build]:
    """The repository's builds, newest first. `since`: from then on; `trigger_id`: of this trigger."""
    query = _builds().where(Build.repository_id == repository.id).order_by(Build.id.desc()).limit(limit)
    if since is not None:
        query = query.where(Job.created_at >= since)
    if trigger_id is not None:
        query = query.where(Build.trigger_id == trigger_id)
    return session.scalars(query).all()


def cancel_build(session: Session, build: Build, *, actor: Identity) -> None:
    """Cancel a build that has not begun to push; Invalid if it is too late. Quay operation cancelRepoBuild."""
    if not jobs.request_cancel(session, build.job, CANCELLABLE):
        raise Invalid("Build is currently running or has finished")
    if build.job.state == "finished":  # else its worker tells
        build.encrypted_secrets = None
        build_events.ended(session, build, "cancelled", actor=actor)
    audit.record(session, "cancel_build", actor=actor, repository=build.repository, build_id=build.uuid)


def phase_of(build: Build) -> str:
    """How far the build is, in Quay's words. It is cancelled from the moment that nothing can undo it."""
    return "cancelled" if build.job.cancel_requested else build.job.phase


def _queue(session: Session, repository: Repository, limit: int | None) -> Build:
    """A build whose job waits, and that has still to be told what to build."""
    if repository.state != "NORMAL":
        raise ReadOnly(f"repository {repository.path} is read-only")
    if not repository.namespace.enabled:  # no token opens its repositories, the build's own no more than others
        raise Invalid(f"The user {repository.namespace.name}, whose repository this is, has been disabled")
    _check_room(session, repository.namespace, limit)
    priority = build_queue.priority_of(session, repository.namespace)
    job = jobs.enqueue(session, kind=KIND, queue=build_queue.QUEUE, namespace=repository.namespace, priority=priority)
    return Build(uuid=job.uuid, job=job, repository=repository)


def _note_options(session: Session, build: Build, options: BuildOptions) -> None:
    build.build_args, build.options = dict(options.args), options.kept
    secrets = json.dumps(dict(options.secrets)) if options.secrets else None
    build.encrypted_secrets = session.vault.encrypt(secrets) if secrets else None


def _record_request(session: Session, build: Build, *, actor: Identity, **source: Any) -> None:
    session.add(build)
    session.flush()  # fills in what the row has by default
    audit.record(
        session,
        "build_dockerfile",
        actor=actor,
        repository=build.repository,
        build_id=build.uuid,
        docker_tags=build.tags,
        is_manual=build.manual_user is not None,
        manual_user=build.manual_user,
        pull_robot=build.pull_robot.name if build.pull_robot else None,
        **source,
    )
    build_events.queued(session, build, actor=actor)


def _builds() -> Select[Build]:
    eager = (
        joinedload(Build.repository).joinedload(Repository.namespace),
        joinedload(Build.pull_robot),
        joinedload(Build.trigger),
    )
    return select(Build).join(Build.job).options(joinedload(Build.job), *eager)


def _check_source(source: Source) -> None:
    if not source.archive_url and not source.file_id:
        raise Invalid("file_id or archive_url required")
    if source.archive_url:
        _check_url(source.archive_url)
    for name, path in (("dockerfile_path", source.dockerfile_path), ("context", source.context)):
        if len(path) > LONGEST_PATH:
            raise Invalid(f"{name}: expected at most {LONGEST_PATH} characters")
        if ".." in path.split("/"):
            raise Invalid(f"{name}: expected a path inside of the archive, without ..")


def _check_url(url: str) -> None:
    if len(url) > _LONGEST_URL:
        raise Invalid(f"Invalid Archive URL: Must be at most {_LONGEST_URL} characters")
    if not _URL.fullmatch(url):
        raise Invalid("archive_url: expected an address without spaces, control characters and backslashes")
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        _refuse_url("a valid URI")
    if parts.scheme not in ("http", "https"):
        _refuse_url("http or https")
    if not host:
        _refuse_url("a valid URI")
    if "@" in parts.netloc:
        # It would be kept with the build and shown to everybody who may write to the repository.
        raise Invalid("archive_url: expected an address without a user name or password")
    if not _is_port(parts):
        raise Invalid("archive_url: expected a port from 1 to 65535")


def _is_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _refuse_url(must_be: str) -> NoReturn:
    raise Invalid(f"Invalid Archive URL: Must be {must_be}")


def usable_robot(session: Session, name: str, actor: Identity) -> Account:
    """The robot of that name for who administers its namespace; Forbidden, NotFound."""
    owner = find_namespace(session, name.partition("+")[0]) if "+" in name else None
    if owner is None or not administers(session, actor, owner):
        raise actor.refuse()
    robot = session.scalar(select(Robot).where(Robot.name == name))
    if robot is None:
        raise NotFound("Not Found")
    return robot


def _check_tags(tags: Sequence[str]) -> None:
    if not 1 <= len(tags) <= MOST_TAGS:
        raise Invalid(f"docker_tags: expected 1 to {MOST_TAGS} tags")
    if len(set(tags)) != len(tags):
        raise Invalid("docker_tags: expected each tag once")
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise Invalid(
                f"docker_tags: {tag[:130]!r} is no tag; expected 1 to 128 letters, digits, '_', '.' or '-', "
                "the first no '.' or '-'"
            )


def _check_room(session: Session, namespace: Account, limit: int | None) -> None:
    if limit is None:
        return
    # Two requests at once must not both see the last free place.
    session.execute(select(Account.id).where(Account.id == namespace.id).with_for_update())
    if jobs.open_jobs(session, namespace, KIND) >= limit:
        raise TooMany("Maximum queued build rate exceeded.")
