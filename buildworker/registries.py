"""With which logins a build pulls: those of other registries go only to where the installation lets requests go."""

from collections.abc import Callable, Mapping

from buildworker.builder import Credentials
from buildworker.outbound import Outbound
from models.build_orders import Login
from models.errors import DomainError
from models.registry_credentials import DOCKER_HUB

_PORT = 443


def registry_of(image: str) -> str:
    """The registry that an image's name begins with; docker.io if with none."""
    first, slash, _ = image.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return first.lower() if named else DOCKER_HUB


def usable(outbound: Outbound, logins: Mapping[str, Login], tell: Callable[[str], None]) -> dict[str, Credentials]:
    """The logins whose registry may be reached; `tell` is told of each other one why not."""
    found = {}
    for registry, login in logins.items():
        host, _, port = registry.partition(":")
        try:
            if registry != DOCKER_HUB:
                outbound.look_up(host, int(port or _PORT), subject=f"login at {registry}")
        except DomainError as exc:
            tell(f"Not used: {exc.detail}")
        else:
            found[registry] = Credentials(login.username, login.password)
    return found
