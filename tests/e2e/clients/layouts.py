"""OCI image layouts written by hand: what skopeo, podman and containerd read from a folder."""

import gzip
import io
import json
import tarfile
import uuid
from pathlib import Path
from typing import Any

from tests.e2e.clients.registry import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, config_of, digest_of
from tests.services.docker_engine import busybox_rootfs


class Layout:
    """A folder in the OCI image layout that holds one image or index, tagged `made`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    @property
    def reference(self) -> str:
        """As skopeo names it."""
        return f"oci:{self.folder}:made"

    def image(self, architecture: str, *layers: bytes) -> dict[str, Any]:
        """Add an image; its descriptor."""
        config = config_of(architecture, *layers)
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self._add(OCI_CONFIG, config),
            # Compressed, or most clients would do it on the way, and every digest would be another.
            "layers": [self._add(f"{OCI_LAYER}+gzip", gzip.compress(layer, mtime=0)) for layer in layers],
        }
        platform = {"architecture": architecture, "os": "linux"}
        return {**self._add(OCI_MANIFEST, json.dumps(manifest).encode()), "platform": platform}

    def index(self, *images: dict[str, Any]) -> dict[str, Any]:
        """Add an index of images; its descriptor."""
        content = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(images)}
        return self._add(OCI_INDEX, json.dumps(content).encode())

    def tag(self, descriptor: dict[str, Any]) -> str:
        """Make it what the layout's tag names; its digest."""
        named = {**descriptor, "annotations": {"org.opencontainers.image.ref.name": "made"}}
        content = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [named]}
        (self.folder / "index.json").write_text(json.dumps(content))
        return str(descriptor["digest"])

    def _add(self, media_type: str, content: bytes) -> dict[str, Any]:
        digest = digest_of(content)
        (self.folder / "blobs" / "sha256" / digest.partition(":")[2]).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _rootfs() -> bytes:
    """A root file system with busybox that nothing else has: skopeo takes a layer it knows in another compression."""
    archive = io.BytesIO(busybox_rootfs())
    with tarfile.open(fileobj=archive, mode="a") as tar:
        tar.addfile(tarfile.TarInfo(f"made-{uuid.uuid4()}"))
    return archive.getvalue()


def image_layout(folder: Path, *more_layers: bytes) -> tuple[Layout, str]:
    """A layout with an image that runs busybox, and the digest of its manifest."""
    layout = Layout(folder)
    return layout, layout.tag(layout.image("amd64", _rootfs(), *more_layers))


def index_layout(folder: Path) -> tuple[Layout, str]:
    """A layout with an index of images for two platforms, and the digest of the index."""
    layout = Layout(folder)
    images = [layout.image("amd64", _rootfs()), layout.image("arm64", b"nothing that runs here")]
    return layout, layout.tag(layout.index(*images))
