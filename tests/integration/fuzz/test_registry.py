"""Whatever is sent to /v2, the answer is one of the specification's: never a 500, on either database."""

import base64
import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException

from models.migrate import upgrade
from models.session import Database
from models.tables import Organization, Robot, Team, TeamMember
from models.vault import Vault
from registry import v2
from registry.manifest_format import KNOWN, OCI_MANIFEST
from registry.names import Digest
from registry.v2.errors import answer_http
from tests.factories.api import make_services
from tests.factories.database import KEY

EXAMPLES = 250
TOKEN = "A-TOKEN-OF-A-ROBOT"
BLOB = b"a blob that is there"
TOKENS: dict[FlaskClient, str] = {}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """The registry with one robot, who may do everything in acme, and one image in acme/app."""
    folder = tmp_path_factory.mktemp("fuzz")
    url = f"sqlite:///{folder / 'fuzz.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    database = Database(url, Vault([KEY]))
    upgrade(database)
    with database.write() as session:
        acme = Organization(name="acme")
        session.add(acme)
        session.flush()
        robot = Robot(name="acme+ci", owner=acme, encrypted_token=session.vault.encrypt(TOKEN))
        team = Team(organization_id=acme.id, name="ci", role="creator")
        session.add_all([robot, team])
        session.flush()
        session.add(TeamMember(team_id=team.id, account_id=robot.id))
    app = Flask("fuzzed")
    app.register_error_handler(HTTPException, answer_http)
    v2.mount(app, make_services(database, folder))
    client = app.test_client()
    assert send(client, Sent("POST", "/v2/acme/app/blobs/uploads/", {"digest": str(Digest.of(BLOB))}, {}, BLOB)) == 201
    yield client
    app.extensions["drydock.registry"].pulls.close()
    database.dispose()


def bearer(client: FlaskClient) -> str:
    """The Authorization header of the robot."""
    if client in TOKENS:
        return TOKENS[client]
    credentials = base64.b64encode(f"acme+ci:{TOKEN}".encode()).decode()
    scopes = [("scope", f"repository:acme/{name}:pull,push,*") for name in ("app", "new")]
    answer = client.get("/v2/auth", query_string=scopes, headers={"Authorization": f"Basic {credentials}"})
    TOKENS[client] = f"Bearer {answer.get_json()['token']}"
    return TOKENS[client]


class Sent(NamedTuple):
    """A request that somebody who may do everything in acme sends, well formed or not."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def send(client: FlaskClient, sent: Sent) -> int:
    """The status of the answer, whose form is checked."""
    given = {"Authorization": bearer(client), **sent.headers}
    path = quote(sent.path, safe="/:%")
    answer = client.open(path, method=sent.method, query_string=sent.query, headers=given, data=sent.body)
    assert answer.status_code < 500, (sent, answer.text)
    if answer.status_code >= 400 and sent.method != "HEAD" and sent.path != "/v2/auth":
        assert answer.get_json()["errors"][0]["code"], (sent, answer.text)
    return answer.status_code


NASTY = st.sampled_from(["\0", "%00", "..", "a\nb", "\ud7ff", "é", "💥", "9" * 5000, "x" * 5000, "-1", "NaN", " ", "/"])
TEXT = st.one_of(NASTY, st.text(max_size=30), st.integers().map(str))
DIGESTS = st.one_of(
    st.sampled_from([str(Digest.of(BLOB)), f"sha256:{'0' * 64}", f"sha512:{'a' * 128}", "sha256:", "md5:abc"]), TEXT
)
NAMES = st.one_of(st.sampled_from(["acme/app", "acme/new", "acme/App", "acme", "a/b/c/d", "nobody/app"]), TEXT)
ENDS = st.one_of(
    st.tuples(st.sampled_from(["manifests", "blobs", "referrers", "blobs/uploads"]), st.one_of(DIGESTS, TEXT)).map(
        "/".join
    ),
    st.sampled_from(["tags/list", "blobs/uploads/", ""]),
)
PATHS = st.one_of(
    st.tuples(NAMES, ENDS).map("/".join).map("/v2/{}".format), st.sampled_from(["/v2/", "/v2/_catalog", "/v2/auth"])
)
QUERIES = st.dictionaries(
    st.sampled_from(["n", "last", "digest", "mount", "from", "artifactType", "tag", "scope", "service", "state"]),
    st.one_of(DIGESTS, NAMES, TEXT),
    max_size=3,
)
# What a header can hold on the wire.
VALUES = st.one_of(
    st.sampled_from(["0-1", "bytes=0-1", "bytes=5-", "bytes=-1", "0-19", "9-0", "*", *KNOWN, "text/plain", "chunked"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
)
HEADERS = st.dictionaries(
    st.sampled_from(["Range", "Content-Range", "Content-Type", "If-None-Match", "If-Range", "Accept", "Authorization"]),
    VALUES,
    max_size=3,
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT, DIGESTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=8,
)
DESCRIPTORS = st.fixed_dictionaries(
    {"mediaType": st.one_of(TEXT, st.just("a/b")), "digest": DIGESTS, "size": st.one_of(st.integers(), st.just(20))},
    optional={"urls": JSON, "annotations": JSON},
)
MANIFESTS = st.fixed_dictionaries(
    {"schemaVersion": st.sampled_from([2, 2, 2, 1])},
    optional={
        "mediaType": st.sampled_from(KNOWN),
        "config": st.one_of(DESCRIPTORS, JSON),
        "layers": st.one_of(st.lists(DESCRIPTORS, max_size=3), JSON),
        "manifests": st.one_of(st.lists(DESCRIPTORS, max_size=3), JSON),
        "subject": st.one_of(DESCRIPTORS, JSON),
        "artifactType": st.one_of(TEXT, JSON),
        "annotations": st.one_of(st.dictionaries(TEXT, TEXT, max_size=3), JSON),
    },
)
BODIES = st.one_of(st.binary(max_size=50), st.just(BLOB), JSON.map(json.dumps).map(str.encode))

FUZZ = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)


METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"])
PARTS = st.builds(Sent, st.sampled_from(["PATCH", "PUT", "GET", "DELETE"]), st.just(""), QUERIES, HEADERS, BODIES)


@FUZZ
@given(st.builds(Sent, METHODS, PATHS, QUERIES, HEADERS, BODIES))
def test_any_request(client: FlaskClient, sent: Sent) -> None:
    send(client, sent)


@FUZZ
@given(st.one_of(st.sampled_from(["v1", "latest"]), DIGESTS), MANIFESTS)
def test_any_manifest(client: FlaskClient, reference: str, document: Any) -> None:
    content = json.dumps(document).encode()
    headers = {"Content-Type": document.get("mediaType", OCI_MANIFEST)}
    if send(client, Sent("PUT", f"/v2/acme/app/manifests/{reference}", {}, headers, content)) == 201:
        digest = reference if reference.startswith("sha512") else Digest.of(content)
        assert send(client, Sent("GET", f"/v2/acme/app/manifests/{digest}", {}, {}, b"")) == 200


@FUZZ
@given(PARTS, PARTS)
def test_any_upload(client: FlaskClient, first: Sent, second: Sent) -> None:
    begun = client.post("/v2/acme/app/blobs/uploads/", headers={"Authorization": bearer(client)})
    for part in (first, second):
        send(client, part._replace(path=urlsplit(begun.headers["Location"]).path))
