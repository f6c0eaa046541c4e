"""Tell what this registry can do."""

from pydantic import Field

from api.endpoint import Resource, Section, View, operation
from api.rules import anyone

section = Section("capabilities", __doc__)


class SparseManifestsView(View):
    supported: bool = Field(description="Whether an index may name images that are not here")
    required_architectures: list[str]
    optional_architectures_allowed: bool


class CapabilitiesView(View):
    sparse_manifests: SparseManifestsView
    mirror_architectures: list[str] = Field(description="Architectures that a mirror can be limited to")


@section.at("/registry/capabilities")
class RegistryCapabilities(Resource):
    @operation("getRegistryCapabilities", allow=anyone)
    def get(self) -> CapabilitiesView:
        """Get registry capabilities."""
        sparse = SparseManifestsView(supported=False, required_architectures=[], optional_architectures_allowed=False)
        return CapabilitiesView(sparse_manifests=sparse, mirror_architectures=[])
