"""People with accounts, and what they use."""

from dataclasses import dataclass

from tests.e2e.clients.registry import Registry
from tests.e2e.clients.rest import Rest
from tests.services.drydock import Drydock

ALL_SCOPES = "repo:admin repo:create user:read user:admin org:admin"


@dataclass(frozen=True)
class Person:
    """Somebody with an account: what they log in with, and their REST and registry clients."""

    name: str
    password: str
    token: str
    rest: Rest
    registry: Registry

    @property
    def login(self) -> str:
        """`name:password`, as most clients want it."""
        return f"{self.name}:{self.password}"


def make_person(drydock: Drydock, name: str) -> Person:
    """Create an account and an access token for it."""
    password = f"password-of-{name}"
    drydock.create_user(name, password)
    token = drydock.token(name, ALL_SCOPES)
    return Person(name, password, token, Rest(drydock.url, token), Registry(drydock.url, (name, password)))
