"""The Quay-compatible REST API, mounted at /api/v1."""

from collections.abc import Sequence

from flask import Blueprint
from flask.blueprints import BlueprintSetupState

from api.endpoint import Section
from api.swagger import SwaggerApi
from api.v1 import (
    accounts,
    app_tokens,
    application_tokens,
    applications,
    authorizations,
    build_logs,
    builds,
    capabilities,
    discovery,
    entities,
    error,
    external_logins,
    federation,
    images,
    immutability_policies,
    invitations,
    labels,
    log_exports,
    logs,
    members,
    messages,
    namespace_deliveries,
    namespace_notifications,
    organizations,
    permissions,
    plans,
    prototypes,
    prune_policies,
    quotas,
    recovery,
    registration,
    registry,
    registry_credentials,
    repositories,
    repository_emails,
    repository_notifications,
    repository_tokens,
    robots,
    search,
    security,
    service_keys,
    signatures,
    signin,
    stars,
    superuser_builds,
    superuser_organizations,
    superuser_quotas,
    superusers,
    tags,
    teams,
    trigger_deliveries,
    trigger_secrets,
    trigger_sources,
    triggers,
    user_notifications,
    users,
)
from api.v1.discovery import PREFIX
from api.v1.errors import answer_error, finish
from api.v1.repository_path import RepositoryPath
from registry.services import Services

_NOUNS: Sequence[Section] = (
    accounts.section,
    app_tokens.section,
    builds.section,
    build_logs.section,
    capabilities.section,
    error.section,
    external_logins.detaching,
    external_logins.section,
    logs.section,
    log_exports.section,
    images.section,
    immutability_policies.section,
    namespace_deliveries.section,
    namespace_notifications.section,
    labels.section,  # that of manifests as well
    organizations.section,
    applications.section,
    application_tokens.section,
    members.section,
    messages.section,
    permissions.section,
    plans.section,
    prototypes.section,
    prune_policies.section,
    recovery.by_superuser,
    recovery.section,
    registration.first,
    registration.section,
    quotas.section,
    registry.setup_section,
    repositories.section,
    repository_emails.section,
    repository_notifications.section,
    repository_tokens.section,
    robots.section,
    federation.section,
    search.section,
    entities.section,
    security.section,
    signatures.section,
    signin.direct,
    signin.section,
    superusers.section,
    superuser_quotas.section,
    app_tokens.superuser_section,
    registry.section,
    registry_credentials.section,
    service_keys.section,
    superuser_builds.section,
    superuser_organizations.section,
    tags.section,
    teams.section,
    invitations.section,
    triggers.section,
    user_notifications.section,
    trigger_deliveries.section,
    trigger_secrets.section,
    trigger_sources.section,
    users.section,
    authorizations.section,
    stars.section,
)
SECTIONS: Sequence[Section] = (discovery.describing(_NOUNS), *_NOUNS)


def blueprint(services: Services) -> Blueprint:
    """The whole surface, for an application whose `extensions["drydock"]` are these services."""
    surface = Blueprint("v1", __name__, url_prefix=PREFIX)
    surface.record(_know_repository_paths)
    api = SwaggerApi(
        surface,
        title=f"{services.settings.REGISTRY_TITLE} API",
        document=f"{PREFIX}/discovery",
        on_error=answer_error,
    )
    for section in _served(services):
        api.add_namespace(section)
    surface.after_request(finish)
    return surface


def _served(services: Services) -> Sequence[Section]:
    """The sections that this installation has; what is switched off is not described either."""
    nouns = tuple(section for section in _NOUNS if all(getattr(services.settings, key) for key in section.needs))
    return SECTIONS if nouns == _NOUNS else (discovery.describing(nouns), *nouns)


def _know_repository_paths(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["repopath"] = RepositoryPath
