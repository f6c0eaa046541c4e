"""What an administrator sets by REST, a push feels at once: quotas, tokens, states."""

from tests.e2e.clients.http import call
from tests.e2e.clients.people import Person
from tests.e2e.clients.registry import Registry, config_of, manifest_of
from tests.e2e.clients.rest import Rest
from tests.services.drydock import Drydock
from tests.services.process import wait_until


def test_a_push_beyond_the_quota_is_denied_until_there_is_room(
    drydock: Drydock, alice: Person, repository: str
) -> None:
    operator = Rest(drydock.url, drydock.token("admin", "super:user org:admin"))
    organization = f"quota-{repository.rpartition('-')[2]}"
    alice.rest.post("/organization/", {"name": organization, "email": f"{organization}@example.com"})
    quota = f"/organization/{organization}/quota"
    operator.post(quota, {"limit": "1 KiB"})
    quota += f"/{operator.get(quota)[0]['id']}"
    operator.post(f"{quota}/limit", {"type": "Reject", "threshold_percent": 100})
    name = f"{organization}/image"
    alice.registry.push_image(name, "small", b"a" * 100)

    layer, config = b"b" * 1000, config_of("amd64", b"b" * 1000)
    for content in (layer, config):
        alice.registry.put_blob(name, content)
    headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    manifest = manifest_of(config, layer)
    refused = alice.registry.call("PUT", name, "manifests/large", headers=headers, body=manifest).expect(403)

    assert refused.json["errors"][0]["code"] == "DENIED"
    used = alice.rest.get(f"/organization/{organization}")["quota_report"]["quota_bytes"]
    assert 100 < used < 1024
    assert alice.rest.get(f"/repository/{name}")["quota_report"] == {"quota_bytes": used, "configured_quota": 1024}
    operator.put(quota, {"limit": "10 KiB"})
    alice.registry.put_manifest(name, "large", manifest)
    alice.registry.check_image(name, "large")


def test_a_repository_token_opens_its_repository_as_far_as_its_role_goes(
    drydock: Drydock, alice: Person, repository: str
) -> None:
    alice.registry.push_image(repository, "1", b"a layer")
    tokens = f"/repository/{repository}/tokens/"
    code = alice.rest.post(tokens, {"friendlyName": "ci"})["code"]

    reader = Registry(drydock.url, ("$token", code))
    reader.check_image(repository, "1")
    reader.call("POST", repository, "blobs/uploads/").expect(403)

    alice.rest.put(f"{tokens}{code}", {"role": "write"})
    Registry(drydock.url, ("$token", code)).push_image(repository, "2", b"another layer")
    alice.rest.call("DELETE", f"{tokens}{code}").expect(204)
    credentials = Registry(drydock.url, ("$token", code)).credentials()
    call("GET", f"{drydock.url}/v2/auth?service=drydock", headers=credentials).expect(401)


def test_a_read_only_repository_takes_no_push(alice: Person, repository: str) -> None:
    alice.registry.push_image(repository, "1", b"a layer")
    alice.rest.put(f"/repository/{repository}/changestate", {"state": "READ_ONLY"})

    alice.registry.call("POST", repository, "blobs/uploads/").expect(405)
    alice.registry.call("DELETE", repository, "manifests/1").expect(405)
    alice.registry.check_image(repository, "1")

    alice.rest.put(f"/repository/{repository}/changestate", {"state": "NORMAL"})
    alice.registry.push_image(repository, "2", b"another layer")


def test_a_policy_protects_released_tags_from_every_push(alice: Person, repository: str) -> None:
    policies = f"/repository/{repository}/immutabilitypolicy/"
    alice.registry.push_image(repository, "v1.0", b"from before")
    alice.rest.post(policies, {"tagPattern": r"v\d"})
    alice.registry.push_image(repository, "v2.0", b"a release")
    alice.registry.push_image(repository, "latest", b"a release")

    config = config_of("amd64", b"another")
    for content in (config, b"another"):
        alice.registry.put_blob(repository, content)
    headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    manifest = manifest_of(config, b"another")
    for tag in ("v1.0", "v2.0"):
        refused = alice.registry.call("PUT", repository, f"manifests/{tag}", headers=headers, body=manifest)
        assert refused.expect(409).json["errors"][0]["code"] == "TAG_IMMUTABLE"
        alice.registry.call("DELETE", repository, f"manifests/{tag}").expect(409)
    alice.registry.put_manifest(repository, "latest", manifest)


def test_tags_that_a_policy_means_end_by_themselves_and_come_back(alice: Person, repository: str) -> None:
    digests = [alice.registry.push_image(repository, f"pr-{number}", bytes([number])) for number in range(3)]
    alice.registry.push_image(repository, "main", b"main")
    alice.rest.put(f"/repository/{repository}/tag/pr-0", {"immutable": True})
    policy = {"method": "number_of_tags", "value": 1, "tagPattern": "^pr-"}
    alice.rest.post(f"/repository/{repository}/autoprunepolicy/", policy)

    def living() -> set[str]:
        return {tag["name"] for tag in alice.rest.get(f"/repository/{repository}/tag/?onlyActiveTags=true")["tags"]}

    wait_until(lambda: living() == {"pr-0", "pr-2", "main"}, seconds=30, pause=0.2)
    alice.registry.call("GET", repository, "manifests/pr-1").expect(404)
    alice.rest.post(f"/repository/{repository}/tag/pr-1/restore", {"manifest_digest": digests[1]})
    alice.registry.check_image(repository, "pr-1")
