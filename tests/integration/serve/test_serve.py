import json
import os
import signal
import stat
from pathlib import Path

import requests

from tests.integration.serve.running import Serving, drydock, environ, running
from tests.services.ports import free_port
from tests.services.process import wait_until


def one_sentence(text: str) -> bool:
    return len(text.strip().splitlines()) == 1 and "Traceback" not in text


def admin_password(server: Serving) -> str:
    return (server.data / "admin-password").read_text().strip()


def auth(server: Serving, username: str, password: str) -> requests.Response:
    return server.get("/v2/auth", params={"service": f"localhost:{server.port}"}, auth=(username, password))


def test_everything_becomes_well(server: Serving) -> None:
    assert server.get("/health/instance").json()["status_code"] == 200
    # Each web process looks for itself once a second, so the first one that is content is asked no further.
    well = {"database": True, "redis": True, "scheduler": True, "storage": True}
    wait_until(lambda: server.get("/health/endtoend").json()["data"]["services"] == well, seconds=15)


def test_a_request_is_named_in_its_answer_and_in_the_log_but_never_its_secrets(server: Serving) -> None:
    answer = server.get(
        "/v2/", params={"token": "query-secret"}, headers={"X-Request-ID": "trace-1", "Authorization": "Bearer hidden"}
    )

    assert answer.headers["X-Request-ID"] == "trace-1"
    line = server.wait_for_line("request", "(trace-1)")
    assert "method=GET path=/v2/ status=401" in line
    assert "query-secret" not in server.said()
    assert "hidden" not in server.said()


def test_metrics_count_over_all_web_processes(server: Serving) -> None:
    def served() -> float:
        lines = server.get("/metrics").text.splitlines()
        name = 'drydock_http_requests_total{method="GET",status="401",surface="registry"}'
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    before = served()
    for _ in range(10):
        server.get("/v2/")
    assert served() == before + 10


def test_the_first_page_needs_nothing_from_elsewhere(server: Serving) -> None:
    answer = server.get("/")

    assert f"docker login localhost:{server.port}" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_admin_can_log_in_with_the_password_that_only_its_owner_may_read(server: Serving) -> None:
    assert auth(server, "admin", admin_password(server)).ok
    assert auth(server, "admin", "something else").status_code == 401
    for name in ("admin-password", "secrets.yaml"):
        assert stat.S_IMODE((server.data / name).stat().st_mode) == 0o600
    assert str(server.data / "admin-password") in server.said()
    assert admin_password(server) not in server.said()  # what is said goes into a file here


def test_a_second_start_on_the_same_data_is_refused_in_a_sentence(server: Serving) -> None:
    second = drydock("serve", "--data", server.data, "--port", free_port())

    assert second.returncode == 1
    assert one_sentence(second.stderr)
    assert f"process {server.popen.pid}" in second.stderr
    assert str(server.data) in second.stderr


def test_a_port_in_use_is_refused_in_a_sentence_before_anything_starts(server: Serving, data: Path) -> None:
    second = drydock("serve", "--data", data, "--port", server.port)

    assert second.returncode == 1
    assert one_sentence(second.stderr)
    assert f"Port {server.port}" in second.stderr
    assert not (data / "run").exists()


def test_users_and_tokens_can_be_made_while_it_serves(server: Serving) -> None:
    created = drydock(
        "user",
        "create",
        "ann",
        "--email",
        "ann@example.com",
        "--password",
        "-",
        "--data",
        server.data,
        stdin="a long password\n",
    )
    again = drydock(
        "user", "create", "ann", "--email", "b@example.com", "--password", "another one", "--data", server.data
    )
    token = drydock("token", "create", "ann", "--scopes", "repo:read repo:write", "--data", server.data)

    assert (created.returncode, again.returncode, token.returncode) == (0, 1, 0)
    assert one_sentence(again.stderr)
    assert auth(server, "ann", "a long password").ok
    assert auth(server, "$oauthtoken", token.stdout.strip()).ok
    assert token.stdout.split() == [token.stdout.strip()]


def test_each_role_that_is_killed_starts_again(server: Serving) -> None:
    for words in (("cli.main", "worker"), ("cli.main", "scheduler"), ("redis-server",), ("gunicorn",)):
        before = server.find(*words)
        assert before, words
        os.kill(before[-1].number, signal.SIGKILL)  # of gunicorn's, the last is a worker, whose master replaces it
        wait_until(
            lambda words=words, before=before: (
                len(server.find(*words)) == len(before)  # type: ignore[misc]
                and server.find(*words) != before
            ),
            seconds=10,
        )
    wait_until(lambda: server.get("/health/endtoend").ok, seconds=20)


def test_the_web_master_that_is_killed_takes_its_workers_along_and_starts_again(server: Serving) -> None:
    before = server.find("gunicorn")
    os.kill(before[0].number, signal.SIGKILL)

    wait_until(lambda: not any(old.alive for old in before), seconds=5)
    server.wait_until_ready()  # connections wait at the socket meanwhile


def test_a_long_path_of_the_data_folder_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 100) / "data"
    deep.parent.mkdir()
    with running(deep) as serving:
        serving.wait_until_ready()
        wait_until(lambda: serving.get("/health/endtoend").ok, seconds=15)


def test_json_logs_are_json(data: Path) -> None:
    with running(data, env=environ(LOG_FORMAT="json", BUILD_WORKERS="0")) as serving:
        serving.wait_until_ready()
        serving.get("/v2/", headers={"X-Request-ID": "json-1"})
        entry = json.loads(serving.wait_for_line('"message": "request"', "json-1"))

    assert entry["method"] == "GET"
    assert entry["path"] == "/v2/"
    assert entry["status"] == 401
