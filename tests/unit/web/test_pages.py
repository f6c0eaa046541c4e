from pathlib import Path

from flask import Flask

from models import metrics as counters
from models.session import Database
from models.tables import Repository, Upload
from registry.upload_rows import ENDED
from tests.factories.accounts import make_user
from tests.factories.api import make_services
from web import health, metrics, pages


def test_a_title_is_text_and_never_markup(database: Database, tmp_path: Path) -> None:
    app = Flask("tests")
    app.register_blueprint(pages.blueprint(make_services(database, tmp_path, REGISTRY_TITLE="<b>Ours</b> & theirs")))

    answer = app.test_client().get("/")
    assert "&lt;b&gt;Ours&lt;/b&gt; &amp; theirs" in answer.text
    assert "localhost:8080" in answer.text


def test_metrics_say_what_does_not_answer_and_show_the_rest(database: Database, tmp_path: Path) -> None:
    services = make_services(database, tmp_path)
    counters.blob_bytes("in", 7)
    counters.request_finished("registry", "INVENTED", 200, 0.1)

    shown = metrics.collect(services).decode()

    assert 'drydock_up{service="database"} 1.0' in shown
    assert 'drydock_up{service="redis"} 0.0' in shown
    assert "drydock_uploads 0.0" in shown
    assert 'drydock_blob_bytes_total{direction="in"}' in shown
    assert 'method="other"' in shown
    assert "INVENTED" not in shown


def test_uploads_that_have_ended_are_not_counted(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        namespace = make_user(session, "ann")
        repository = Repository(namespace=namespace, name="app", is_public=False)
        session.add(repository)
        session.flush()
        session.add_all(
            Upload(repository_id=repository.id, path=f"uploads/{revision}", state={}, revision=revision)
            for revision in (0, 3, ENDED)
        )

    assert "drydock_uploads 2.0" in metrics.collect(make_services(database, tmp_path)).decode()


def test_unwell_answers_503_in_quays_shape(database: Database, tmp_path: Path) -> None:
    app = Flask("tests")
    app.register_blueprint(health.blueprint(make_services(database, tmp_path)))
    client = app.test_client()

    answer = client.get("/health/endtoend")
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["status_code"] == 503
    assert answer.json["data"]["services"] == {"database": True, "redis": False, "scheduler": False, "storage": True}
    assert set(answer.json["data"]["reasons"]) == {"redis", "scheduler"}
    assert client.get("/health/instance").json == {
        "data": {"services": {"registry_gunicorn": True, "web_gunicorn": True}},
        "status_code": 200,
    }
