"""`python -m tests.bench scale`: every list and search of the REST API on a large installation, slowest first.

Eight connections ask two web processes; each operation is asked for its variants in turn. Then reads of one thing, in
requests a second, here and in embedded mode.
"""

import argparse
import json
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from models import migrate
from models.session import Database
from models.vault import Vault
from tests.bench.client import MANIFEST, Client
from tests.bench.cost import Cost, meter
from tests.bench.peers import Peer
from tests.bench.questions import Question, World, lists_and_searches, look_around, reads
from tests.bench.seed import SECRET, Amounts, seed
from tests.services.drydock import embedded, web_only
from tests.services.postgres import postgres
from tests.services.redis import redis

CONNECTIONS = 8
LIMIT_MS = 100
ENOUGH = 800
SCOPES = "repo:admin repo:create user:read user:admin org:admin super:user"
TAGS = 20
_SCRIPT = Path(__file__).with_name("scale.lua")


class Figures(NamedTuple):
    """`cost`: of one request. `refused`: how many answers were no success; `example`: the path of one."""

    cost: Cost
    rate: float
    p50_ms: float
    p95_ms: float
    refused: int
    example: str


Ask = Callable[[Question], Figures]


def main(arguments: Sequence[str]) -> None:
    """Seed if need be, ask, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench scale", description=__doc__)
    parser.add_argument("--uri", help="a database that was seeded before; else one is made and seeded")
    parser.add_argument("--divisor", type=int, default=1, metavar="N", help="seed only one N-th of everything")
    parser.add_argument("--seconds", type=int, default=3, help="for how long each operation is asked for (3)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only operations whose name contains this")
    given = parser.parse_args(arguments)

    def wanted(questions: Sequence[Question]) -> list[Question]:
        return [question for question in questions if given.only in question.name]

    with ExitStack() as stack:
        uri = given.uri or stack.enter_context(_seeded(given.divisor))
        world = look_around(uri)
        ask = stack.enter_context(_asking(uri, world, given.seconds))
        _show_latencies({question.name: ask(question) for question in wanted(lists_and_searches(world))})
        often = wanted(reads("middle", world.middle, world.in_middle))
        _show_rates("PostgreSQL", {question.name: ask(question) for question in often})
    _show_rates("embedded", _embedded(given.seconds, wanted))


@contextmanager
def _seeded(divisor: int) -> Iterator[str]:
    with postgres() as server:
        uri = server.new_database()
        database = Database(uri, Vault([SECRET]))
        migrate.upgrade(database)
        seed(database, Amounts().smaller(divisor) if divisor > 1 else Amounts())
        database.dispose()
        yield uri


@contextmanager
def _asking(uri: str, world: World, seconds: int) -> Iterator[Ask]:
    """Two web processes on the database, and how to ask them."""
    settings = {"SUPER_USERS": world.people["root"], "WEB_WORKERS": "2", "FEATURE_QUOTA_MANAGEMENT": "true"}
    settings["DATABASE_SECRET_KEY"] = SECRET
    with redis() as queue, web_only(database=uri, redis=queue.new_database(), settings=settings) as drydock:
        tokens = {by: drydock.token(name, SCOPES) for by, name in world.people.items()}
        read = meter(drydock, uri)
        yield lambda question: _ask(drydock.url, tokens.get(question.by), question.paths, seconds, read)


def _embedded(seconds: int, wanted: Callable[[Sequence[Question]], list[Question]]) -> dict[str, Figures]:
    """The same reads of a small installation in embedded mode."""
    with embedded(settings={"WEB_WORKERS": "2", "BUILD_WORKERS": "0"}) as drydock:
        peer = Peer("embedded", drydock.url, "bench/app", ("admin", drydock.admin_password))
        token = drydock.token("admin", SCOPES)
        request = urllib.request.Request(
            f"{drydock.url}/api/v1/organization/",
            data=b'{"name": "bench", "email": "bench@example.com"}',
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()
        client = Client(peer)
        config = b'{"architecture": "amd64", "os": "linux"}'
        descriptor = {"mediaType": MANIFEST, "digest": client.put_blob(config), "size": len(config)}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": []}).encode()
        for number in range(TAGS):
            client.put_manifest(f"v{number}", manifest)
        return {
            question.name: _ask(drydock.url, token, question.paths, seconds, meter(drydock, None))
            for question in wanted(reads("admin", "bench", ["bench/app"]))
        }


def _ask(url: str, token: str | None, paths: Sequence[str], seconds: int, read: Callable[[], Cost]) -> Figures:
    options = ["--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s", "--timeout", "30s"]
    headers = ["--header", f"Authorization: Bearer {token}"] if token else []
    with tempfile.NamedTemporaryFile("w", suffix=".paths") as file:
        file.write("\n".join(f"/api/v1{path}" for path in paths))
        file.flush()
        command = ["wrk", *options, *headers, "--script", str(_SCRIPT), url, "--", file.name]
        before = read()
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        spent = read().since(before)
    requests, took_us, p50, p95, refused, example = told.partition("RESULT ")[2].split()[:6]
    answered = max(int(requests), 1)
    cost = Cost(spent.web_ms / answered, spent.database_ms / answered)
    return Figures(cost, int(requests) * 1e6 / int(took_us), float(p50), float(p95), int(refused), example)


def _show_latencies(measured: Mapping[str, Figures]) -> None:
    print(f"{'':44}{'p50':>9}{'p95':>9}{'a second':>10}   {_COSTS}")  # noqa: T201
    for name, figures in sorted(measured.items(), key=lambda item: item[1].p95_ms, reverse=True):
        mark = "  too slow" if figures.p95_ms >= LIMIT_MS else ""
        told = f"{figures.p50_ms:6.1f} ms{figures.p95_ms:6.1f} ms{figures.rate:10.0f}   {_told(figures.cost)}"
        print(f"{name:44}{told}{mark}{_doubt(figures)}")  # noqa: T201


def _show_rates(where: str, measured: Mapping[str, Figures]) -> None:
    for name, figures in measured.items():
        mark = "  too few" if figures.rate < ENOUGH else ""
        told = (
            f"{figures.rate:7.0f} a second, p95 {figures.p95_ms:.1f} ms   {_told(figures.cost)}{mark}{_doubt(figures)}"
        )
        print(f"{f'{where}: {name}':44}{told}")  # noqa: T201


_COSTS = "  web +   db: processor time of one request"


def _told(cost: Cost) -> str:
    return f"{cost.web_ms:5.1f} +{cost.database_ms:5.1f} ms"


def _doubt(figures: Figures) -> str:
    return f"  {figures.refused} refused, like {figures.example}" if figures.refused else ""
