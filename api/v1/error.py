"""What the error types in answers mean."""

from api.endpoint import Resource, Section, View, operation
from api.rules import anyone
from api.v1.errors import KINDS, type_url
from models.errors import NotFound

section = Section("error", __doc__)


class ErrorDescription(View):
    type: str
    title: str
    description: str


@section.at("/error/<error_type>")
class ErrorType(Resource):
    @operation("getErrorDescription", allow=anyone, for_pages=True)
    def get(self, error_type: str) -> ErrorDescription:
        """What an error type means.

        The `type` of every error answer is the URL of this operation.
        """
        kind = KINDS.get(error_type)
        if kind is None:
            raise NotFound("Not Found")
        return ErrorDescription(type=type_url(error_type), title=error_type, description=kind.description)
