"""Whether the base images of a Dockerfile can be pulled by a build, and with which robot."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import select

from models.access import Identity, administers, find_repository, may
from models.session import Session
from models.tables import Permission, Repository, Robot

MOST_ROBOTS = 100


@dataclass(frozen=True)
class Base:
    """What there is to know of the base images. `robots`: (name, whether it may read the private one)."""

    status: Literal["analyzed", "publicbase", "requiresrobot", "warning"]
    message: str | None = None
    is_admin: bool = False
    robots: list[tuple[str, bool]] = field(default_factory=list)


def judge_base(
    session: Session, repository: Repository, images: Sequence[str], *, hosts: Collection[str], caller: Identity
) -> Base:
    """Look at the base images that are in this registry, which is reached as one of `hosts`.

    A caller who may not read such an image learns no more than of one that does not exist.
    """
    is_admin = administers(session, caller, repository.namespace)
    ours = [path for image in images if (path := _path_here(image, hosts))]
    if not ours:
        return Base("publicbase" if images else "analyzed", is_admin=is_admin)
    for path in ours:
        namespace, _, name = path.partition("/")
        found = find_repository(session, namespace, name)
        if found is None or not may(session, caller, found, "read"):
            message = f"The base image {path} does not exist here, or you may not read it"
            return Base("warning", message, is_admin)
        if not found.is_public and found.id != repository.id:
            return Base("requiresrobot", None, is_admin, _robots(session, found) if is_admin else [])
    return Base("publicbase", is_admin=is_admin)


def _path_here(image: str, hosts: Collection[str]) -> str | None:
    """`namespace/name` of an image of this registry."""
    host, _, rest = image.partition("/")
    if host not in hosts:
        return None
    path = rest.partition("@")[0]
    return path.rpartition(":")[0] if ":" in path.rpartition("/")[2] else path


def _robots(session: Session, base: Repository) -> list[tuple[str, bool]]:
    """The robots of the base image's namespace, those that may read it first."""
    readers = set(
        session.scalars(
            select(Permission.account_id).where(Permission.repository_id == base.id, Permission.account_id.is_not(None))
        )
    )
    mine = select(Robot).where(Robot.owner_id == base.namespace_id).order_by(Robot.id).limit(MOST_ROBOTS)
    found = [(robot.name, robot.id in readers) for robot in session.scalars(mine)]
    return sorted(found, key=lambda robot: not robot[1])
