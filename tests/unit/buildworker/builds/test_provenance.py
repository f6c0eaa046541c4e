"""What is known of an image's making: kept with the build, and stated in an attachment of the image."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from buildworker import builds, provenance
from buildworker.provenance import Inputs, Run
from models.build_options import BuildOptions
from models.errors import Upstream
from tests.unit.buildworker.builds.conftest import Workshop

DOCKERFILE = "FROM base AS tools\nFROM other.example.com/more:1\nCOPY --from=tools /a /a\n"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def digest(text: str) -> dict[str, str]:
    return {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def test_the_statement_names_all_that_went_into_the_image(workshop: Workshop) -> None:
    uuid = workshop.ask(DOCKERFILE, tags=["latest", "v1"])
    build = workshop.run(uuid)
    ((registry, repository, subject, statement),) = workshop.attached
    assert (registry, repository, subject) == ("registry.internal:5000", "acme/app", build.image_digest)
    assert (statement["_type"], statement["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    assert build.image_digest
    named = {"name": "registry.example.com/acme/app", "digest": {"sha256": build.image_digest.partition(":")[2]}}
    assert statement["subject"] == [named]
    definition = statement["predicate"]["buildDefinition"]
    source, *rest = definition["resolvedDependencies"]
    assert (source["name"], source["uri"], set(source["digest"])) == ("source", build.archive_url, {"sha256"})
    assert rest == [
        {"uri": "file:/Dockerfile", "digest": digest(DOCKERFILE), "name": "Dockerfile"},
        {"uri": "docker://base", "digest": digest("base"), "name": "base image"},
        {
            "uri": "docker://other.example.com/more:1",
            "digest": digest("other.example.com/more:1"),
            "name": "base image",
        },
    ]
    parameters = {"dockerfile_path": "/Dockerfile", "context": "/", "docker_tags": ["latest", "v1"]}
    assert parameters.items() <= definition["externalParameters"].items()
    details = statement["predicate"]["runDetails"]
    assert details["builder"]["id"] == "http://registry.example.com"
    assert details["metadata"]["invocationId"].endswith(f"/repository/acme/app/build/{uuid}")
    begun, ended = (details["metadata"][name] for name in ("startedOn", "finishedOn"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", begun)
    assert begun <= ended


def test_what_went_in_is_kept_with_the_build(workshop: Workshop) -> None:
    build = workshop.run(workshop.ask(DOCKERFILE))
    ((*_, statement),) = workshop.attached
    assert build.inputs
    assert build.inputs["materials"] == statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert build.inputs["engine"]["version"] == "1.0"
    assert build.inputs["provenance"] == "sha256:attached"


def test_arguments_are_stated_and_secrets_are_not(workshop: Workshop) -> None:
    options = BuildOptions(args={"VERSION": "1.2"}, target=None, secrets={"npm": "hunter2"})
    workshop.engine.kind = "buildkit"
    workshop.run(workshop.ask("ARG VERSION\nFROM base\n", options=options, engine="buildkit"))
    ((*_, statement),) = workshop.attached
    assert statement["predicate"]["buildDefinition"]["externalParameters"]["build_args"] == {"VERSION": "1.2"}
    assert "hunter2" not in str(statement)


def test_a_build_that_fails_tells_what_it_had(workshop: Workshop) -> None:
    build = workshop.run(workshop.ask("FROM base\nRUN exit 1\n"))
    assert build.inputs
    assert len(build.inputs["materials"]) == 3
    assert "provenance" not in build.inputs
    assert workshop.attached == []


def test_a_registry_that_takes_no_attachment_gets_the_image_all_the_same(workshop: Workshop) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise Upstream("the registry answers with status 500")

    uuid = workshop.ask("FROM base\n")
    builds.run(workshop.runtime, workshop.claim(uuid), workshop.stop, engine=workshop.engine, attach=refuse)
    assert workshop.look(uuid).job.result == "success"
    told = "The image has no provenance attached: the registry answers with status 500"
    assert told in [entry["message"] for entry in workshop.log(uuid)]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a.tgz?key=secret", "https://example.com/a.tgz"),
        ("https://me:secret@example.com:8443/a.tgz", "https://example.com:8443/a.tgz"),
    ],
)
def test_what_opens_an_archive_is_not_stated(url: str, shown: str) -> None:
    assert provenance.archive(url, "0" * 64).uri == shown


def test_a_commit_is_named_as_others_name_it() -> None:
    sha = "1" * 40
    known = provenance.commit("git@git.example.com:me/app.git", sha)
    assert (known.uri, known.digest) == (f"git+git.example.com:me/app.git@{sha}", {"gitCommit": sha})
    assert provenance.commit("https://x:secret@example.com/a.git", sha).uri == f"git+https://example.com/a.git@{sha}"


def test_what_is_not_known_is_left_out() -> None:
    run = Run("r/x", "sha256:" + "0" * 64, "http://r", "http://r/build", MOMENT, MOMENT)
    inputs = Inputs(bases=[provenance.base("base", None)])
    found = provenance.statement(inputs, run)["predicate"]
    assert found["buildDefinition"]["resolvedDependencies"] == [{"uri": "docker://base", "name": "base image"}]
    assert found["runDetails"]["metadata"]["startedOn"] == "2026-01-02T03:04:05Z"
