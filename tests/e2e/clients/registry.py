"""The registry protocol, request by request."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urljoin

from tests.e2e.clients.http import KeptAlive, Reply, call

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifest_of(config: bytes, *layers: bytes, **annotations: str) -> bytes:
    """An image manifest of these contents."""
    described = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(OCI_CONFIG, config),
        "layers": [_descriptor(OCI_LAYER, layer) for layer in layers],
        "annotations": annotations,
    }
    return json.dumps(described).encode()


def config_of(architecture: str, *layers: bytes) -> bytes:
    """The configuration of an image with these uncompressed layers."""
    rootfs = {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]}
    return json.dumps({"architecture": architecture, "os": "linux", "config": {}, "rootfs": rootfs}).encode()


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


class Registry:
    """Talks to the registry at `url` as a user, or as nobody. Each repository's token is fetched once."""

    def __init__(
        self,
        url: str,
        login: tuple[str, str] | None = None,
        tokens: dict[str, str] | None = None,
        send: Callable[..., Reply] = call,
    ) -> None:
        self.url = url
        self._login = login
        self._tokens = {} if tokens is None else tokens
        self._send = send

    def at(self, url: str) -> "Registry":
        """The same user with the same tokens at another process."""
        return Registry(url, self._login, self._tokens)

    def on(self, connection: KeptAlive) -> "Registry":
        """The same user with the same tokens on one connection, which only one thread may use."""
        return Registry(self.url, self._login, self._tokens, connection.call)

    def token(self, *scopes: str) -> str:
        """A fresh token for the scopes, whatever it then allows."""
        query = urlencode([("service", "drydock"), *(("scope", scope) for scope in scopes)])
        answer = call("GET", f"{self.url}/v2/auth?{query}", headers=self.credentials()).expect(200).json
        return str(answer["token"])

    def credentials(self) -> dict[str, str]:
        """The header with name and password, for asking for a token."""
        if self._login is None:
            return {}
        return {"Authorization": "Basic " + base64.b64encode(":".join(self._login).encode()).decode()}

    def call(
        self,
        method: str,
        repository: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        follow: bool = False,
        also: str | None = None,
    ) -> Reply:
        """Send a request about a repository; `path` is what follows its name. `also`: another repository to read."""
        url = path if path.startswith("http") else f"{self.url}/v2/{repository}/{path}"
        given = {**self.authorization(repository, also), **(headers or {})}
        return self._send(method, url, headers=given, body=body, follow=follow)

    def authorization(self, repository: str, also: str | None = None) -> dict[str, str]:
        """The header for pulls from and pushes to the repository."""
        key = f"{repository} {also}"
        if key not in self._tokens:
            scopes = [f"repository:{repository}:pull,push"] + ([f"repository:{also}:pull"] if also else [])
            self._tokens[key] = self.token(*scopes)
        return {"Authorization": f"Bearer {self._tokens[key]}"}

    def start_upload(self, repository: str) -> str:
        """The address of a new upload at this process."""
        return self.location(self.call("POST", repository, "blobs/uploads/", body=b"").expect(202))

    def location(self, reply: Reply) -> str:
        """Where the reply says to go on, at this process."""
        return urljoin(f"{self.url}/", str(reply.headers["Location"]))

    def put_blob(self, repository: str, content: bytes) -> str:
        """Push a blob by POST and PUT; its digest."""
        digest = digest_of(content)
        where = self.finishing(self.start_upload(repository), digest)
        headers = {"Content-Type": "application/octet-stream"}
        self.call("PUT", repository, where, headers=headers, body=content).expect(201)
        return digest

    def finishing(self, location: str, digest: str) -> str:
        """The address that closes an upload."""
        return f"{location}{'&' if '?' in location else '?'}digest={quote(digest)}"

    def put_manifest(self, repository: str, reference: str, content: bytes, media_type: str = OCI_MANIFEST) -> str:
        """Push a manifest; its digest."""
        headers = {"Content-Type": media_type}
        reply = self.call("PUT", repository, f"manifests/{reference}", headers=headers, body=content).expect(201)
        assert reply.headers["Docker-Content-Digest"] == digest_of(content)
        return digest_of(content)

    def push_image(self, repository: str, tag: str, *layers: bytes) -> str:
        """Push an image of these layers; the digest of its manifest."""
        config = config_of("amd64", *layers)
        for content in (*layers, config):
            self.put_blob(repository, content)
        return self.put_manifest(repository, tag, manifest_of(config, *layers))

    def get_blob(self, repository: str, digest: str) -> bytes:
        """A blob's content, from wherever the registry sends for it, and right."""
        reply = self.call("GET", repository, f"blobs/{digest}", follow=True).expect(200)
        assert digest_of(reply.body) == digest
        return reply.body

    def get_manifest(self, repository: str, reference: str) -> Any:
        """A manifest, parsed, whose bytes are those of its digest."""
        headers = {"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}"}
        reply = self.call("GET", repository, f"manifests/{reference}", headers=headers).expect(200)
        assert reply.headers["Docker-Content-Digest"] == digest_of(reply.body)
        return reply.json

    def check_image(self, repository: str, reference: str) -> None:
        """Pull everything that the manifest names."""
        manifest = self.get_manifest(repository, reference)
        for part in (manifest["config"], *manifest["layers"]):
            assert len(self.get_blob(repository, part["digest"])) == part["size"]
