"""Limits of how often one caller may call the REST API, counted in a real Redis."""

from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from models.access import ANONYMOUS
from models.errors import TooMany
from models.rates import check_rate
from models.session import Database
from tests.factories.api import Api, make_app, make_services


@pytest.fixture
def api(database: Database, tmp_path: Path, fresh_redis_url: str) -> Api:
    limits = {"FEATURE_RATE_LIMITS": True, "API_CALLS_PER_SECOND": 1, "API_CALLS_BURST": 3}
    services = make_services(database, tmp_path, **limits)
    return Api(make_app(replace(services, redis=Redis.from_url(fresh_redis_url))))


def test_a_caller_beyond_the_rate_waits_and_others_do_not(api: Api) -> None:
    answers = [api.get("/user/", by="alice") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[3].headers["Retry-After"] == "1"
    assert answers[3].body["error_type"] == "too_many_requests"
    assert api.get("/user/", by="bob").status == 200
    assert [api.get("/error/not_found").status for _ in range(4)] == [200, 200, 200, 429]


def test_what_was_refused_does_not_count(api: Api) -> None:
    statuses = [api.get("/user/", by="alice").status for _ in range(8)]
    assert statuses == [200, 200, 200, 429, 429, 429, 429, 429]
    (key,) = (key for key in api.services.redis.keys("drydock/rate/*"))
    assert 0 < api.services.redis.pttl(key) <= 3001


def test_all_addresses_of_one_machine_are_one_caller(fresh_redis_url: str) -> None:
    redis = Redis.from_url(fresh_redis_url)
    check_rate(redis, ANONYMOUS.at("2001:db8::1"), per_second=1, burst=1)
    with pytest.raises(TooMany):
        check_rate(redis, ANONYMOUS.at("2001:db8::2"), per_second=1, burst=1)
    check_rate(redis, ANONYMOUS.at("2001:db8:0:1::1"), per_second=1, burst=1)
