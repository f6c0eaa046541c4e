"""What builds take steps from stays without a tag, as long as they do."""

from datetime import timedelta

from models.build_cache import KEPT_UNUSED, cache_name, keep_cache, use_cache
from models.repositories import remove_repository
from models.tables import BuildCache
from registry.collection.forecast import Forecast
from registry.collection.reasons import why_kept
from registry.repositories import existing
from tests.factories.pusher import Pusher, age
from tests.unit.registry.test_gc import HISTORY, HOUR, TERMS, count, gc

DAY = timedelta(days=1)
NAME = cache_name("/Dockerfile", "/", None, None)


def keep(pusher: Pusher, digest: str, name: str = NAME) -> None:
    with pusher.services.database.write() as session:
        keep_cache(session, pusher.repository_id(), name, digest)


def use(pusher: Pusher, name: str = NAME) -> str | None:
    with pusher.services.database.write() as session:
        return use_cache(session, pusher.repository_id(), name)


def doomed(pusher: Pusher) -> list[str]:
    found = Forecast(pusher.services.database, TERMS)
    return [digest for one in found.repositories() for digest in one.manifests]


def test_an_image_stays_for_builds_although_its_tag_is_forgotten_until_none_uses_it(pusher: Pusher) -> None:
    digest = pusher.image("v1", b"one")
    keep(pusher, digest)
    pusher.untag("v1")
    for _ in range(4):
        age(pusher.services, KEPT_UNUSED - DAY)
        assert doomed(pusher) == []
        gc(pusher, thorough=True)
        assert use(pusher) == digest
    with pusher.services.database.read() as session:
        assert any("builds take steps from it" in line for line in why_kept(session, digest, TERMS))
    age(pusher.services, KEPT_UNUSED + HOUR)
    assert doomed(pusher) == [digest]
    assert gc(pusher).manifests == 1
    assert use(pusher) is None
    assert count(pusher, BuildCache) == 0


def test_the_next_image_takes_the_place_of_the_one_before(pusher: Pusher) -> None:
    first = pusher.image(None, b"one")
    keep(pusher, first)
    second = pusher.image(None, b"two")
    keep(pusher, second)
    assert use(pusher) == second
    age(pusher.services, 2 * HOUR)
    assert gc(pusher).manifests == 1
    assert (pusher.has(first), pusher.has(second)) == (False, True)


def test_builds_of_other_stages_and_platforms_have_other_images(pusher: Pusher) -> None:
    digest = pusher.image("v1", b"one")
    keep(pusher, digest)
    assert use(pusher, cache_name("/Dockerfile", "/", "test", None)) is None
    assert use(pusher, cache_name("/Dockerfile", "/", None, "linux/arm64")) is None


def test_an_image_that_was_deleted_is_used_no_more_and_a_repository_leaves_none(pusher: Pusher) -> None:
    digest = pusher.image("v1", b"one")
    keep(pusher, digest)
    pusher.remove(digest)
    assert use(pusher) is None
    keep(pusher, pusher.image("v2", b"two"))
    with pusher.services.database.write() as session:
        owner = existing(session, pusher.name)
        remove_repository(session, owner, actor=pusher.actor)
    assert count(pusher, BuildCache) == 0
    age(pusher.services, HISTORY)
    gc(pusher)
    assert not pusher.has(digest)
