"""List, set and delete the secrets that a trigger's builds get."""

from typing import Annotated

from pydantic import Field

from api.endpoint import Body, Resource, Section, View, operation
from api.rules import repo_admin
from api.v1.views import iso_date
from models import trigger_secrets, triggers
from models.build_options import LONGEST_SECRET, check_feature
from models.tables import Repository, TriggerSecret

section = Section("triggersecret", __doc__, needs=["FEATURE_BUILD_SUPPORT"])


class SecretValue(Body):
    value: Annotated[str, Field(max_length=LONGEST_SECRET, description="Encrypted, and never shown again.")]


class TriggerSecretView(View):
    """Without its value, which nobody is shown."""

    name: str
    changed: str


class TriggerSecretsView(View):
    secrets: list[TriggerSecretView]


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>/secret/")
class TriggerSecrets(Resource):
    @operation("listBuildTriggerSecrets", allow=repo_admin)
    def get(self, repository: Repository, trigger_uuid: str) -> TriggerSecretsView:
        """List the names of the trigger's secrets."""
        trigger = triggers.get_trigger(self.session, repository, trigger_uuid)
        return TriggerSecretsView(secrets=[_view(each) for each in trigger_secrets.list_secrets(self.session, trigger)])


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>/secret/<secret_name>")
class OneTriggerSecret(Resource):
    @operation("putBuildTriggerSecret", allow=repo_admin)
    def put(self, repository: Repository, trigger_uuid: str, secret_name: str, body: SecretValue) -> TriggerSecretView:
        """Set a secret, which the trigger's builds have for `RUN --mount=type=secret,id=NAME`."""
        check_feature(self.settings.BUILD_ENGINE, "secrets", "secrets")
        trigger = triggers.get_trigger(self.session, repository, trigger_uuid)
        return _view(trigger_secrets.put_secret(self.session, trigger, secret_name, body.value, actor=self.caller))

    @operation("deleteBuildTriggerSecret", allow=repo_admin)
    def delete(self, repository: Repository, trigger_uuid: str, secret_name: str) -> None:
        """Delete a secret of the trigger."""
        trigger = triggers.get_trigger(self.session, repository, trigger_uuid)
        trigger_secrets.remove_secret(self.session, trigger, secret_name, actor=self.caller)


def _view(secret: TriggerSecret) -> TriggerSecretView:
    return TriggerSecretView(name=secret.name, changed=iso_date(secret.changed_at))
