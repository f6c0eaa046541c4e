"""Show who signed the tags of a repository."""

from typing import Any

from pydantic import Field

from api.endpoint import Resource, Section, View, operation
from api.rules import repo_read
from models.errors import NotFound
from models.tables import Repository

section = Section("signing", __doc__, needs=["FEATURE_SIGNING"])


class SignaturesView(View):
    delegations: dict[str, Any] = Field(
        description="By role, the tags that it signed by Notary 1, which this registry has no server of: none. "
        "Signatures of cosign and Notation are referrers and tags of the image"
    )


@section.at("/repository/<repopath:repository>/signatures")
class RepositorySignatures(Resource):
    @operation("getRepoSignatures", allow=repo_read)
    def get(self, repository: Repository) -> SignaturesView:
        """Fetches the list of signed tags for the repository, if trust is enabled for it."""
        if not repository.trust_enabled:
            raise NotFound("Not Found")
        return SignaturesView(delegations={})
