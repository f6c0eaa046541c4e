"""One attempt at a build, phase by phase: fetch the source, pull base images, build, push."""

import errno
import json
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from buildworker import attachment, checkout, git, provenance, scratch
from buildworker.archive import Limits, unpack
from buildworker.builder import Credentials, Engine, EngineInfo, Options, PullFailed, PushFailed, Registries
from buildworker.dockerfile import Source, base_images, locate, step_count, uses_mounts
from buildworker.download import download
from buildworker.engines.platforms import can_build
from buildworker.failures import SourceFailed
from buildworker.logs import BuildLog
from buildworker.lookout import Lookout
from buildworker.outbound import Outbound
from buildworker.output import Line, clean
from buildworker.progress import Progress
from buildworker.provenance import Inputs
from buildworker.registries import registry_of, usable
from buildworker.runtime import Runtime
from buildworker.watch import Cancelled
from models import jobs
from models.build_cache import cache_name, keep_cache, use_cache
from models.build_options import FEATURES, check_feature
from models.build_orders import GitOrder, Login, Order, record_commit, record_inputs
from models.errors import Conflict, DomainError, Invalid, Upstream
from models.jobs import Lease
from models.tables.base import now

log = logging.getLogger(__name__)

LABEL = "drydock.job"
"""On everything that a build makes on the engine: the job's uuid."""
PUSH_TRIES = 3
PUSH_PAUSE_S = 1.0
COLLISIONS = 10
COLLISION_PAUSE_S = 0.1
_ARCHIVE = "archive"
_TREE = "tree"


@dataclass(frozen=True)
class Work:
    """An order and what there is to carry it out. `folder` is empty and the attempt's own.

    `attach` puts a document beside an image, as `attachment.attach` does.
    """

    runtime: Runtime
    lease: Lease
    order: Order
    log: BuildLog
    lookout: Lookout
    engine: Engine
    folder: Path
    attach: Callable[..., str] = attachment.attach


class Attempt:
    """Carries out an order once."""

    def __init__(self, work: Work) -> None:
        self.image_digest: str | None = None
        self.inputs = Inputs()
        self._work = work
        self._order = work.order
        self._log = work.log
        self._ended = work.lookout.ended
        self._engine = work.engine
        self._settings = work.runtime.settings
        self._begun = now()
        self._deadline = time.monotonic() + self._settings.BUILD_MAX_SECONDS
        self._logins: Registries = {}

    def carry_out(self) -> None:
        """Make the image and push it. A DomainError says why not; Cancelled: the lookout has a reason."""
        self._enter("build-scheduled")
        self._prepare()
        self._enter("unpacking")
        source = self._fetch()
        self._enter("pulling")
        self._pull(source)
        self._record()
        self._enter("building")
        image = self._build(source)
        try:
            self._enter("pushing")
            self._attest(self._push(image))
        finally:
            self._forget(image)

    def clear_folder(self) -> None:
        """Remove the source, which nothing needs any more."""
        scratch.remove(self._work.folder, _TREE)
        (self._work.folder / _ARCHIVE).unlink(missing_ok=True)

    def _enter(self, phase: str) -> None:
        with self._work.runtime.database.write() as session:
            standing = jobs.set_phase(session, self._work.lease, phase)
        self._work.lookout.note(standing)
        if self._work.lookout.ended():
            raise Cancelled
        self._log.phase(phase)

    def _prepare(self) -> None:
        if self._work.lease.attempt > 1:
            self._log.output(f"Attempt {self._work.lease.attempt} of {self._work.lease.max_attempts}.")
        if not self._order.writable:
            raise Invalid(f"The repository {self._order.repository} is read-only.")
        engine = self._engine.ping()
        self.inputs.engine = {"kind": self._engine.kind, "version": engine.version, "platform": engine.platform}
        self._check_platform(engine)
        self._engine.remove_by_label(LABEL, self._work.lease.uuid)

    def _check_platform(self, engine: EngineInfo) -> None:
        platform = self._order.options.platform
        if platform and not can_build(platform, engine.platforms):
            able = ", ".join(sorted(engine.platforms))
            raise Invalid(f"platform: the engine builds for {able}, not for {platform}")

    def _fetch(self) -> Source:
        tree = self._work.folder / _TREE
        tree.mkdir()
        if self._order.archive_url is not None:
            self._unpack_archive(self._order.archive_url, tree)
        elif self._order.git is not None:
            self._check_out(self._order.git, tree)
        source = locate(tree, self._order.dockerfile_path, self._order.context)
        if uses_mounts(source.text):
            check_feature(self._engine.kind, "mounts", "The Dockerfile has RUN --mount")
        if self._order.options.secrets:
            check_feature(self._engine.kind, "secrets", "secrets")
        order = self._order
        self.inputs.dockerfile = provenance.dockerfile(order.dockerfile_path, source.dockerfile.read_bytes())
        self.inputs.parameters = {
            "dockerfile_path": order.dockerfile_path,
            "context": order.context,
            "docker_tags": list(order.tags),
            "build_args": dict(order.options.args),
            "labels": dict(order.options.labels),
            "target": order.options.target,
            "platform": order.options.platform,
        }
        return source

    def _unpack_archive(self, url: str, tree: Path) -> None:
        archive = self._work.folder / _ARCHIVE
        try:
            got = download(
                self._outbound(),
                url,
                archive,
                max_bytes=self._settings.BUILD_MAX_ARCHIVE_BYTES,
                max_seconds=self._left(),
                cancelled=self._ended,
            )
        except Upstream as exc:
            cause = exc.__cause__
            if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise SourceFailed(exc.detail) from exc
        self._log.output(f"Archive: {got.size} bytes, sha256:{got.sha256}")
        self.inputs.source = provenance.archive(url, got.sha256)
        limits = Limits(self._settings.BUILD_MAX_UNPACKED_BYTES, self._settings.BUILD_MAX_ARCHIVE_ENTRIES, self._left())
        unpack(archive, tree, limits, cancelled=self._ended)
        archive.unlink()

    def _check_out(self, order: GitOrder, tree: Path) -> None:
        self._log.output(f"Fetching {order.commit} from {order.url}")
        source = git.Source(order.url, order.private_key, order.auth_token, order.known_hosts)
        limits = git.Limits(self._deadline, self._settings.BUILD_MAX_ARCHIVE_BYTES, self._ended)
        wanted = checkout.Wanted(order.commit, order.ref, order.submodules)
        entries = self._settings.BUILD_MAX_ARCHIVE_ENTRIES
        try:
            commit = checkout.fetch(self._outbound(), source, wanted, tree, limits, max_entries=entries)
        except (git.GitFailed, Upstream) as exc:
            raise SourceFailed(exc.detail) from exc
        told_by = f"{commit.author}: {commit.message.partition(chr(10))[0]}"
        self._log.output(f"Commit: {commit.sha} by {clean(told_by)}")
        self.inputs.source = provenance.commit(order.url, commit.sha)
        told = {
            "commit": commit.sha,
            "commit_info": {"message": commit.message, "date": commit.date, "short_sha": commit.sha[:7]},
        }
        with self._work.runtime.database.write() as session:
            record_commit(session, self._order.uuid, told, commit.known_hosts)

    def _outbound(self) -> Outbound:
        return Outbound(self._settings.OUTBOUND_ALLOWED_PRIVATE_HOSTS)

    def _pull(self, source: Source) -> None:
        self._logins = usable(self._outbound(), self._order.logins, self._log.output)
        options = self._order.options
        images = base_images(source.text, options.args, options.target)
        if options.platform:  # what an engine fetches by itself is its own platform's
            self.inputs.bases = [provenance.base(image, None) for image in images]
            images = []
        self._log.progress(
            total_commands=step_count(source.text), current_command=0, pull_completion=0.0, push_completion=0.0
        )
        for number, image in enumerate(images):
            self._log.output(f"Pulling {image}")
            digest = self._pull_image(image, self._share("pull_completion", number, len(images)))
            self.inputs.bases.append(provenance.base(image, digest))
        self._log.progress(pull_completion=1.0)

    def _pull_image(self, image: str, tell: Callable[[Progress], None]) -> str | None:
        """Pull it; the digest of its manifest, if the engine tells."""
        registry = registry_of(image)
        auth = self._registries().get(registry)
        digest: str | None = None

        def on_event(progress: Progress) -> None:
            nonlocal digest
            digest = progress.digest
            tell(progress)

        try:
            self._engine.pull(image, auth=auth, on_event=on_event, cancelled=self._ended, timeout_s=self._left())
        except PullFailed as exc:
            raise PullFailed(f"{exc.detail} ({self._hint(registry)})") from exc
        return digest

    def _hint(self, registry: str) -> str:
        """What may help who could not pull an image from there."""
        if registry in self._logins:
            return f"see that the login kept for {registry} may read it"
        if registry not in self._registries():
            return f"a private one needs a login for {registry}, kept as a registrycredential"
        robot = self._order.robot
        return (
            f"see that {robot.username} may read it" if robot else "a private one needs a pull_robot that may read it"
        )

    def _build(self, source: Source) -> str:
        return self._engine.build(
            source.context,
            source.dockerfile,
            options=self._options(),
            timeout_s=self._left(),
            on_line=self._tell,
            cancelled=self._ended,
        )

    def _options(self) -> Options:
        wanted = self._order.options
        return Options(
            labels={**wanted.labels, LABEL: self._work.lease.uuid},
            registries=self._registries(),
            args=wanted.args,
            secrets=wanted.secrets,
            target=wanted.target,
            platform=wanted.platform,
            scope=self._order.scope if wanted.cache else None,
            cache_from=self._cache_from() if self._caches else (),
            cache_login=_credentials(self._order.own),
            cache_out=self._caches,
            build=self._work.lease.uuid,
        )

    @property
    def _caches(self) -> bool:
        return self._order.options.cache and "cache" in FEATURES[self._engine.kind]

    def _cache_name(self) -> str:
        wanted = self._order.options
        return cache_name(self._order.dockerfile_path, self._order.context, wanted.target, wanted.platform)

    def _cache_from(self) -> tuple[str, ...]:
        """The image of an earlier build, whichever engine made it."""
        with self._work.runtime.database.write() as session:
            digest = use_cache(session, self._order.repository_id, self._cache_name())
        host = self._settings.BUILD_REGISTRY_HOSTNAME
        return (f"{host}/{self._order.repository}@{digest}",) if digest else ()

    def _push(self, image: str) -> str:
        """Push every tag; the digest."""
        repository = f"{self._settings.BUILD_REGISTRY_HOSTNAME}/{self._order.repository}"
        tags, digest = self._order.tags, ""
        for number, tag in enumerate(tags):
            self._log.output(f"Pushing {self._order.repository}:{tag}")
            on_event = self._share("push_completion", number, len(tags))
            digest = self.image_digest = self._push_tag(image, repository, tag, on_event)
        self._log.progress(push_completion=1.0)
        self._log.output(f"Digest: {digest}")
        if self._caches and digest:
            with self._work.runtime.database.write() as session:
                keep_cache(session, self._order.repository_id, self._cache_name(), digest)
        return digest

    def _push_tag(self, image: str, repository: str, tag: str, on_event: Callable[[Progress], None]) -> str:
        for tried in range(1, PUSH_TRIES + 1):
            try:
                return self._push_once(image, repository, tag, on_event)
            except PushFailed as exc:
                if tried == PUSH_TRIES:
                    raise
                self._log.output(f"{exc.detail}; trying again in {PUSH_PAUSE_S:g} s")
                time.sleep(PUSH_PAUSE_S)
        raise AssertionError("the last try returns or raises")

    def _push_once(self, image: str, repository: str, tag: str, on_event: Callable[[Progress], None]) -> str:
        """Push; once more when a build that pushes the same tag by the same engine came in between."""
        for left in reversed(range(COLLISIONS)):
            try:
                return self._engine.push(
                    image,
                    repository,
                    tag,
                    auth=_credentials(self._order.own),
                    on_event=on_event,
                    cancelled=self._ended,
                    timeout_s=self._left(),
                )
            except Conflict:
                if not left:
                    raise
                time.sleep(COLLISION_PAUSE_S * (1 + secrets.randbelow(4)))
        raise AssertionError("the last try returns or raises")

    def _record(self, **more: str) -> None:
        """Keep with the build what it is made of."""
        with self._work.runtime.database.write() as session:
            record_inputs(session, self._order.uuid, {**self.inputs.view(), **more})

    def _attest(self, digest: str) -> None:
        """Attach to the image what it is made of. One whose registry does not take that is an image all the same."""
        settings, order = self._settings, self._order
        run = provenance.Run(
            image=f"{settings.SERVER_HOSTNAME}/{order.repository}",
            digest=digest,
            builder=settings.url,
            invocation=f"{settings.url}/api/v1/repository/{order.repository}/build/{order.uuid}",
            started=self._begun,
            finished=now(),
        )
        try:
            attached = self._work.attach(
                settings.BUILD_REGISTRY_HOSTNAME,
                order.repository,
                digest,
                json.dumps(provenance.statement(self.inputs, run)).encode(),
                annotations={"in-toto.io/predicate-type": provenance.PREDICATE_TYPE},
                credentials=_credentials(order.own),
                https=settings.PREFERRED_URL_SCHEME == "https",
            )
        except DomainError as exc:
            self._log.output(f"The image has no provenance attached: {exc.detail}")
            log.warning("the provenance of build %s was not attached: %s", order.uuid, exc.detail)
            return
        self._log.output(f"Provenance: {attached}")
        self._record(provenance=attached)

    def _forget(self, image: str) -> None:
        try:
            self._engine.remove_image(image)
        except DomainError as exc:
            log.warning("image %s of build %s stays on the engine: %s", image, self._work.lease.uuid, exc.detail)

    def _registries(self) -> Registries:
        """What opens registries for base images; this one, the pull robot or else the build's own repository alone."""
        login = _credentials(self._order.robot or self._order.own)
        return {**self._logins, self._settings.SERVER_HOSTNAME: login, self._settings.BUILD_REGISTRY_HOSTNAME: login}

    def _share(self, key: str, number: int, of: int) -> Callable[[Progress], None]:
        """A callback that shows the progress of one of several transfers as a part of them all."""
        return lambda progress: self._log.progress(**{key: round((number + progress.fraction) / of, 3)})

    def _tell(self, line: Line) -> None:
        if line.kind == "command":
            self._log.command(line.text)
            self._log.progress(current_command=line.step, total_commands=line.steps)
        else:
            self._log.output(line.text)

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.0)


def _credentials(login: Login) -> Credentials:
    return Credentials(login.username, login.password)
