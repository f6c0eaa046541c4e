"""What is no image: signatures and SBOMs in both schemes that clients use, and Helm charts."""

import hashlib
import io
import json
import tarfile
from typing import Any
from urllib.parse import quote

from tests.e2e.clients.people import Person
from tests.e2e.clients.registry import OCI_INDEX, OCI_MANIFEST, Registry, digest_of

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
SIGNATURE_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SBOM_TYPE = "application/spdx+json"
CHART_CONFIG_TYPE = "application/vnd.cncf.helm.config.v1+json"
CHART_TYPE = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


def described(media_type: str, content: bytes, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}


def push(registry: Registry, repository: str, reference: str | None, manifest: dict[str, Any], *blobs: bytes) -> str:
    """Push an artifact by a tag, or by its digest; the digest."""
    for blob in blobs:
        registry.put_blob(repository, blob)
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, **manifest}).encode()
    return registry.put_manifest(repository, reference or digest_of(content), content)


def signature_of(digest: str) -> bytes:
    """The payload that cosign signs."""
    return json.dumps({"critical": {"image": {"docker-manifest-digest": digest}, "type": "cosign"}}).encode()


def test_a_signature_and_an_sbom_are_found_by_referrers(alice: Person, repository: str) -> None:
    registry = alice.registry
    image = registry.push_image(repository, "v1", b"layer")
    subject = {"mediaType": OCI_MANIFEST, "digest": image, "size": 1}
    config = described(EMPTY_TYPE, EMPTY)
    payload, sbom = signature_of(image), b'{"spdxVersion": "SPDX-2.3"}'
    signed = described(SIGNATURE_TYPE, payload, annotations={"dev.cosignproject.cosign/signature": "MEUC"})
    signature = {"artifactType": SIGNATURE_TYPE, "config": config, "layers": [signed], "subject": subject}
    bill = {"artifactType": SBOM_TYPE, "config": config, "layers": [described(SBOM_TYPE, sbom)], "subject": subject}
    digests = {
        SIGNATURE_TYPE: push(registry, repository, None, signature, EMPTY, payload),
        SBOM_TYPE: push(registry, repository, None, bill, EMPTY, sbom),
    }
    for kind, content in ((SIGNATURE_TYPE, payload), (SBOM_TYPE, sbom)):
        found = registry.call("GET", repository, f"referrers/{image}?artifactType={quote(kind)}").expect(200).json
        (entry,) = found["manifests"]
        assert (entry["digest"], entry["artifactType"]) == (digests[kind], kind)
        (layer,) = registry.get_manifest(repository, entry["digest"])["layers"]
        assert registry.get_blob(repository, layer["digest"]) == content
    assert registry.call("GET", repository, "tags/list").expect(200).json["tags"] == ["v1"]


def test_a_signature_is_found_by_the_tag_of_the_older_scheme(alice: Person, repository: str) -> None:
    registry = alice.registry
    image = registry.push_image(repository, "v1", b"layer")
    payload = signature_of(image)
    tag = f"{image.replace(':', '-')}.sig"
    signed = {"config": described(EMPTY_TYPE, EMPTY), "layers": [described(SIGNATURE_TYPE, payload)]}
    push(registry, repository, tag, signed, EMPTY, payload)
    (layer,) = registry.get_manifest(repository, tag)["layers"]
    assert json.loads(registry.get_blob(repository, layer["digest"])) == json.loads(payload)


def test_referrers_of_clients_that_keep_an_index_themselves(alice: Person, repository: str) -> None:
    """The specification's fallback for registries without referrers: an index under a tag made of the subject."""
    registry = alice.registry
    image = registry.push_image(repository, "v1", b"layer")
    bill = {"artifactType": SBOM_TYPE, "config": described(EMPTY_TYPE, EMPTY), "layers": []}
    digest = push(registry, repository, None, bill, EMPTY)
    entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1, "artifactType": SBOM_TYPE}
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
    tag = image.replace(":", "-")
    registry.put_manifest(repository, tag, index, OCI_INDEX)
    assert registry.get_manifest(repository, tag)["manifests"] == [entry]


def test_a_helm_chart_is_pushed_and_pulled(alice: Person, repository: str) -> None:
    registry = alice.registry
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in {"web/Chart.yaml": "name: web\nversion: 1.2.3\n", "web/values.yaml": "replicas: 1\n"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    chart, config = packed.getvalue(), b'{"name":"web","version":"1.2.3","apiVersion":"v2"}'
    manifest = {"config": described(CHART_CONFIG_TYPE, config), "layers": [described(CHART_TYPE, chart)]}
    push(registry, repository, "1.2.3", manifest, config, chart)
    pulled = registry.get_manifest(repository, "1.2.3")
    assert (pulled["config"]["mediaType"], pulled["layers"][0]["mediaType"]) == (CHART_CONFIG_TYPE, CHART_TYPE)
    content = registry.get_blob(repository, pulled["layers"][0]["digest"])
    assert hashlib.sha256(content).digest() == hashlib.sha256(chart).digest()
    shown = alice.rest.get(f"/repository/{repository}/tag/?specificTag=1.2.3")["tags"]
    assert [tag["name"] for tag in shown] == ["1.2.3"]
