from pathlib import Path

from tests.integration.serve.running import drydock, environ, running
from tests.services.process import wait_until

SECRET = "only for tests, but as long as a real one"


def test_on_servers_of_its_own_each_role_runs_alone(data: Path, fresh_postgres_url: str, fresh_redis_url: str) -> None:
    settings = {
        "DB_URI": fresh_postgres_url,
        "REDIS_URL": fresh_redis_url,
        "SECRET_KEY": SECRET,
        "DATABASE_SECRET_KEY": SECRET,
    }
    early = drydock("web", "--data", data, **settings)
    assert early.returncode == 1
    assert early.stderr.strip().endswith("run: drydock migrate")

    assert drydock("migrate", "--data", data, **settings).returncode == 0
    assert drydock("migrate", "--data", data, **settings).stdout == "The database is up to date.\n"

    env = environ(**settings)
    with running(data, "web", env=env) as web:
        web.wait_until_ready()
        assert web.get("/health/endtoend").json()["data"]["reasons"] == {"scheduler": "no scheduler is at work"}
        assert web.get("/metrics").ok
        scheduler = environ(**settings, PORT=str(web.port))
        with running(data, env=scheduler) as everything:  # the same servers, so no Redis of its own
            everything.wait_until_ready()
            wait_until(lambda: web.get("/health/endtoend").ok, seconds=15)
            assert everything.find("redis-server") == []


def test_without_the_secrets_that_all_processes_share_nothing_starts(data: Path, fresh_postgres_url: str) -> None:
    refused = drydock("web", "--data", data, DB_URI=fresh_postgres_url)

    assert refused.returncode == 1
    assert "DATABASE_SECRET_KEY" in refused.stderr
    assert "Traceback" not in refused.stderr
