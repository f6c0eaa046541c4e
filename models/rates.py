"""How often one caller may call: a bucket in Redis that drains steadily, shared by all web processes."""

import logging
import math

from redis import Redis
from redis.exceptions import RedisError

from models.access import Identity
from models.brakes import site_of
from models.errors import TooMany

log = logging.getLogger(__name__)

# The generic cell rate algorithm: one number per caller, the moment at which its bucket will be empty again. It is kept
# by Redis's own clock, since those of web processes differ.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local pause, burst = 1 / ARGV[1], tonumber(ARGV[2])
local empty = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + pause
local early = empty - burst * pause - now
if early > 0 then return tostring(early) end
redis.call('SET', KEYS[1], string.format('%.6f', empty), 'PX', math.ceil((empty - now) * 1000) + 1)
return '0'
"""


def check_rate(redis: Redis, caller: Identity, *, per_second: int, burst: int) -> None:
    """Count a call of `caller`, or refuse it (TooMany, with the seconds until one may come again).

    An account is counted wherever it calls from, others by their address, or the network of their machine. `burst`: how
    many calls may come at once.
    While Redis does not answer nobody is refused: a limit protects the service, and must not be what stops it.
    """
    who = f"account/{caller.account_id}" if caller.account_id else f"address/{site_of(caller.ip)}"
    try:
        wait = float(redis.eval(_TAKE, 1, f"drydock/rate/{who}", per_second, burst))
    except RedisError as exc:
        log.warning("calls are not counted, Redis does not answer: %s", exc)
        return
    if wait > 0:
        raise TooMany(f"At most {per_second} calls a second; wait a moment", retry_after=math.ceil(wait))
