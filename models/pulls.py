"""Pull events: noted in Redis on the hot path, written to the action log in batches by the scheduler."""

import json
import logging
from datetime import datetime
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import insert

from models.access import Identity
from models.session import Database
from models.tables import LogEntry
from models.tables.base import now

log = logging.getLogger(__name__)

KEY = "drydock/pulls"
BATCH = 1000


def note_pull(
    redis: Redis, database: Database, *, actor: Identity, namespace_id: int, repository_id: int, detail: dict[str, Any]
) -> None:
    """Note a pull; written to the database directly when Redis does not answer."""
    event = {
        "kind": "pull_repo",
        "at": now().isoformat(),
        "namespace_id": namespace_id,
        "repository_id": repository_id,
        "performer_id": actor.account_id,
        "performer": actor.name,
        "ip": actor.ip,
        "detail": detail,
    }
    try:
        redis.rpush(KEY, json.dumps(event))
    except RedisError as exc:
        log.warning("pull noted in the database, Redis did not take it: %s", exc)
        with database.write() as session:
            session.execute(insert(LogEntry), [_row(event)])


def flush_pulls(redis: Redis, database: Database) -> int:
    """Move what was noted into the action log; how many. A batch leaves Redis only after it is committed."""
    moved = 0
    while batch := redis.lrange(KEY, 0, BATCH - 1):
        rows = [_row(json.loads(item)) for item in batch]
        with database.write() as session:
            session.execute(insert(LogEntry), rows)
        redis.ltrim(KEY, len(batch), -1)
        moved += len(batch)
    return moved


def _row(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "at": datetime.fromisoformat(event["at"])}
