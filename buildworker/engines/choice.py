"""Which engine builds here: BUILD_ENGINE tells."""

from buildworker.builder import Engine
from buildworker.engines.buildah import BuildahEngine
from buildworker.engines.buildkit import BuildKitEngine
from buildworker.engines.classic import DockerEngine
from config.settings import Settings


def engine_for(settings: Settings) -> Engine:
    """The engine that the settings name."""
    if settings.BUILD_ENGINE == "buildkit":
        return BuildKitEngine(settings.build_engine_url)
    if settings.BUILD_ENGINE == "buildah":
        return BuildahEngine(settings.data / "buildah")
    return DockerEngine(settings.build_engine_url)
