"""Attaching a document to an image in a registry, as any client does: an untagged artifact whose subject it is."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from buildworker.builder import Credentials
from models.errors import Upstream

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
IN_TOTO = "application/vnd.in-toto+json"
_MANIFESTS = ", ".join(
    (
        MANIFEST,
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_TIMEOUT_S = 10.0
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?")


def attach(
    registry: str,
    repository: str,
    digest: str,
    content: bytes,
    *,
    annotations: Mapping[str, str],
    credentials: Credentials | None,
    https: bool,
) -> str:
    """Attach an in-toto statement to the image with that digest; the digest of what was attached.

    `https`: how the registry is spoken to unless it is on this machine. Upstream: it does not answer, or refuses.
    """
    scheme = "https" if https and not _LOOPBACK.fullmatch(registry) else "http"
    with requests.Session() as session:
        session.trust_env = False  # neither proxies nor passwords of the environment are for our own registry
        client = _Client(session, f"{scheme}://{registry}", repository)
        try:
            client.sign_in(credentials)
            return client.attach(digest, content, annotations)
        except (requests.RequestException, KeyError, ValueError) as exc:
            raise Upstream(f"the registry {registry} does not answer as it should: {type(exc).__name__}") from exc


class _Client:
    """Speaks to one repository of a registry."""

    def __init__(self, session: requests.Session, url: str, repository: str) -> None:
        self._session = session
        self._url = url
        self._repository = repository

    def sign_in(self, credentials: Credentials | None) -> None:
        """Get the token that the registry asks for, if it asks for any."""
        challenge = self._call("GET", f"{self._url}/v2/", accept=(200, 401)).headers.get("WWW-Authenticate", "")
        if credentials is None or not challenge.startswith("Bearer "):
            return
        told = dict(_PARAMETER.findall(challenge))
        scope = f"repository:{self._repository}:pull,push"
        answer = self._call(
            "GET",
            told["realm"],
            params={"service": told.get("service", ""), "scope": scope},
            auth=(credentials.username, credentials.password),
        )
        self._session.headers["Authorization"] = f"Bearer {answer.json()['token']}"

    def attach(self, digest: str, content: bytes, annotations: Mapping[str, str]) -> str:
        subject = self._call("HEAD", self._at(f"manifests/{digest}"), headers={"Accept": _MANIFESTS}).headers
        described = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": IN_TOTO,
            "config": {"mediaType": EMPTY, **self._put_blob(b"{}")},
            "layers": [{"mediaType": IN_TOTO, **self._put_blob(content), "annotations": dict(annotations)}],
            "subject": {
                "mediaType": subject["Content-Type"].partition(";")[0],
                "digest": digest,
                "size": int(subject["Content-Length"]),
            },
            "annotations": dict(annotations),
        }
        manifest = json.dumps(described).encode()
        own = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        self._call("PUT", self._at(f"manifests/{own}"), data=manifest, headers={"Content-Type": MANIFEST})
        return own

    def _put_blob(self, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        begun = self._call("POST", self._at("blobs/uploads/"), accept=(202,)).headers["Location"]
        place = urljoin(self._url, begun)
        headers = {"Content-Type": "application/octet-stream"}
        self._call(
            "PUT", f"{place}{'&' if urlsplit(place).query else '?'}digest={digest}", data=content, headers=headers
        )
        return {"digest": digest, "size": len(content)}

    def _at(self, path: str) -> str:
        return f"{self._url}/v2/{self._repository}/{path}"

    def _call(self, method: str, url: str, *, accept: tuple[int, ...] = (200, 201), **rest: Any) -> requests.Response:
        answer = self._session.request(method, url, timeout=_TIMEOUT_S, allow_redirects=False, **rest)
        if answer.status_code not in accept:
            path = urlsplit(url).path
            raise Upstream(f"the registry answers {method} {path} with status {answer.status_code}")
        return answer
