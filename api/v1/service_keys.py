"""Administer the public keys of services."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from api.endpoint import NULL, Body, Resource, Section, View, operation
from api.rules import fresh, superuser
from api.v1.superusers import InstallUser, install_facts
from api.v1.views import HttpMoment
from models import published_keys
from models.access import signed_in_user
from models.tables import PublishedKey, User

section = Section("superuser", __doc__)

_EXPIRATION = "When the key stops being trusted, as a Unix time in seconds; null: never"


class NewServiceKey(Body):
    service: str = Field(description="The service authenticating with this key")
    expiration: float | None = Field(description=_EXPIRATION)
    name: str = Field("", description="The friendly name of a service key")
    metadata: dict[str, Any] = Field({}, description="The key/value pairs of this key's metadata")
    notes: str = Field("", description="If specified, the extra notes for the key")


class ServiceKeyChange(Body):
    """What is not given stays as it is."""

    name: str | None = Field(None, description="The friendly name of a service key")
    metadata: dict[str, Any] | None = Field(None, description="The key/value pairs of this key's metadata")
    expiration: Annotated[float | None, NULL] = Field(None, description=_EXPIRATION)


class ServiceKeyApproval(Body):
    notes: str = Field("", description="Optional approval notes")


class ApprovalView(View):
    approver: InstallUser | None
    approval_type: str
    approved_date: HttpMoment
    notes: str


class ServiceKeyView(View):
    name: str
    kid: str
    service: str
    jwk: dict[str, Any]
    metadata: dict[str, Any]
    created_date: HttpMoment
    expiration_date: HttpMoment | None
    rotation_duration: None = None
    approval: ApprovalView | None


class ServiceKeysView(View):
    keys: list[ServiceKeyView]


class CreatedServiceKey(View):
    """The new key pair; the private half is shown this once."""

    kid: str
    name: str
    service: str
    public_key: str
    private_key: str


class _ServiceKeys(Resource):
    def show(self, key: PublishedKey) -> ServiceKeyView:
        return ServiceKeyView(
            name=key.name,
            kid=key.kid,
            service=key.service,
            jwk=key.jwk,
            metadata=key.details,
            created_date=key.created_at,
            expiration_date=key.expires_at,
            approval=self._approval(key, key.approved_at) if key.approved_at else None,
        )

    def _approval(self, key: PublishedKey, moment: datetime) -> ApprovalView:
        approver = key.approver if isinstance(key.approver, User) else None
        return ApprovalView(
            approver=InstallUser(**install_facts(self.services.superusers, approver)) if approver else None,
            approval_type=key.approval_type or "",
            approved_date=moment,
            notes=key.notes,
        )


@section.at("/superuser/keys")
class ServiceKeys(_ServiceKeys):
    @operation("listServiceKeys", allow=superuser)
    def get(self) -> ServiceKeysView:
        """List the keys of all services, those that sign this registry's own tokens among them."""
        return ServiceKeysView(keys=[self.show(key) for key in published_keys.list_keys(self.session)])

    @operation("createServiceKey", allow=fresh(superuser), waits=True)
    def post(self, body: NewServiceKey) -> CreatedServiceKey:
        """Create a key pair for a service, which is trusted at once; the private half is not kept."""
        pair = published_keys.new_pair()
        with self.writing() as session:
            key = published_keys.create_key(
                session,
                body.service,
                pair,
                name=body.name,
                metadata=body.metadata,
                expires_at=published_keys.moment_of(body.expiration),
                notes=body.notes,
                approver=signed_in_user(session, self.caller),
                actor=self.caller,
            )
        return CreatedServiceKey(
            kid=key.kid,
            name=key.name,
            service=key.service,
            public_key=pair.as_pem(private=False).decode(),
            private_key=pair.as_pem(private=True).decode(),
        )


@section.at("/superuser/keys/<kid>")
class SingleServiceKey(_ServiceKeys):
    @operation("getServiceKey", allow=superuser)
    def get(self, kid: str) -> ServiceKeyView:
        """Show the key of a service."""
        return self.show(published_keys.get_key(self.session, kid))

    @operation("updateServiceKey", allow=fresh(superuser))
    def put(self, kid: str, body: ServiceKeyChange) -> ServiceKeyView:
        """Change until when the key of a service is trusted, and what is told of it."""
        key = published_keys.get_key(self.session, kid)
        if "expiration" in body.model_fields_set:
            moment = published_keys.moment_of(body.expiration)
            published_keys.change_expiry(self.session, key, moment, actor=self.caller)
        if body.name is not None or body.metadata is not None:
            published_keys.describe_key(self.session, key, name=body.name, metadata=body.metadata, actor=self.caller)
        return self.show(key)

    @operation("deleteServiceKey", allow=fresh(superuser))
    def delete(self, kid: str) -> None:
        """Delete the key of a service; nobody trusts it any more."""
        published_keys.remove_key(self.session, kid, actor=self.caller)


@section.at("/superuser/approvedkeys/<kid>")
class ApprovedServiceKey(Resource):
    @operation("approveServiceKey", allow=fresh(superuser), status=201)
    def post(self, kid: str, body: ServiceKeyApproval) -> None:
        """Trust the key that a service brought."""
        approver = signed_in_user(self.session, self.caller)
        published_keys.approve_key(self.session, kid, body.notes, approver=approver, actor=self.caller)
