"""The description of this API for programs and for Swagger UI."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import Field

from api.endpoint import Query, Resource, Section, operation
from api.rules import anyone
from api.swagger import Schema, describe
from api.v1.errors import ProblemView
from models.scopes import SCOPES

PREFIX = "/api/v1"
PARAMETERS: Mapping[str, str] = {
    "access_token_uuid": "The id of the authorization",
    "assigned_authorization_uuid": "The id of the assignment",
    "build_uuid": "The id of the build",
    "client_id": "The id of the OAuth application",
    "code": "The token itself, or the code of the invitation",
    "email": "The e-mail address",
    "error_type": "The error type, as in the `error_type` of an error answer",
    "image_id": "The id of the image, 64 hexadecimal digits",
    "imageid": "The id of the image, 64 hexadecimal digits",
    "kid": "The id of the key",
    "labelid": "The id of the label",
    "delivery_uuid": "The id of the delivery",
    "field_name": "The name of the field, such as `refs`",
    "limit_id": "The id of the limit",
    "manifestref": "The digest of the manifest, `sha256:…`",
    "membername": "The name of the user, or of the robot as `owner+shortname`",
    "name": "The name of the organization",
    "namespace": "The name of the user or organization",
    "orgname": "The name of the organization",
    "prefix": "How the names begin",
    "policy_uuid": "The id of the policy",
    "prototypeid": "The id of the prototype",
    "quota_id": "The id of the quota",
    "registry_host": "The registry, as image names have it: `quay.io`, `docker.io`, `registry.example.com:5000`",
    "repository": "The full path of the repository, `namespace/name`",
    "robot_shortname": "The name of the robot without its owner's",
    "secret_name": "The name of the secret",
    "service_id": "The name of the login service, as in its key of the configuration, in small letters",
    "tag": "The name of the tag",
    "teamname": "The name of the team",
    "token_uuid": "The id of the token",
    "trigger_uuid": "The id of the build trigger",
    "uuid": "The id of the notification, or of the message",
    "username": "The name of the user, or of a robot as `owner+shortname`",
}


class DiscoveryQuery(Query):
    internal: bool = Field(False, description="Accepted for clients that send it; no operation is internal")


def describing(sections: Sequence[Section]) -> Section:
    """The section that describes the others, and itself."""
    section = Section("discovery", __doc__)
    everything = (section, *sections)

    @lru_cache(maxsize=4)
    def document(title: str, scheme: str, host: str) -> Schema:
        info = {
            "host": host,
            "basePath": "/",
            "schemes": [scheme],
            "info": {
                "version": "v1",
                "title": title,
                "description": _ABOUT,
                "termsOfService": "",
                "contact": {"name": host, "url": f"{scheme}://{host}", "email": f"registry@{host.partition(':')[0]}"},
            },
            "securityDefinitions": {"bearer": _BEARER, "oauth2_implicit": _implicit(f"{scheme}://{host}")},
        }
        return describe(everything, prefix=PREFIX, parameters=PARAMETERS, info=info, problem=ProblemView)

    @section.at("/discovery")
    class Discovery(Resource):
        @operation("discovery", allow=anyone, for_pages=True)
        def get(self, query: DiscoveryQuery) -> dict[str, Any]:
            """List all operations of this API, as a Swagger 2.0 document."""
            settings = self.settings
            return document(settings.REGISTRY_TITLE, settings.PREFERRED_URL_SCHEME, settings.SERVER_HOSTNAME)

    return section


_ABOUT = (
    "Repositories, images, builds, organizations and accounts of this registry. "
    "`x-required-scope` tells which scope an access token needs for an operation."
)
_BEARER = {
    "type": "apiKey",
    "in": "header",
    "name": "Authorization",
    "description": "An OAuth access token, as `Bearer TOKEN`; the page of this API also takes the bare token.",
}


def _implicit(url: str) -> Schema:
    """Where a program gets such a token by a person's consent, and the scopes that there are."""
    return {
        "type": "oauth2",
        "flow": "implicit",
        "authorizationUrl": f"{url}/oauth/authorize",
        "scopes": {name: scope.description for name, scope in SCOPES.items()},
    }
