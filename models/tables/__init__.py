"""Tables, and nothing but tables. Importing this package registers all of them."""

from models.tables.accounts import Account, Deleted, Organization, Robot, Team, TeamMember, User
from models.tables.authorizations import AuthorizationCode, TokenAssignment
from models.tables.base import Base
from models.tables.brakes import Brake
from models.tables.build_cache import BuildCache
from models.tables.build_secrets import RegistryCredential, TriggerSecret
from models.tables.codes import OneTimeCode
from models.tables.collection import Garbage, Round
from models.tables.content import Blob, Manifest, ManifestBlob, ManifestChild, RepositoryBlob, Tag, Upload
from models.tables.deliveries import Delivery, DeliveryAttempt
from models.tables.external_logins import ExternalLogin
from models.tables.federation import RobotFederation
from models.tables.invitations import Invitation
from models.tables.jobs import Build, BuildShare, Job
from models.tables.labels import ManifestLabel
from models.tables.logs import LogCount, LogEntry, LogExport
from models.tables.messages import Message
from models.tables.notifications import Notification, RepositoryEmail, ToldExpiry, UserNotification
from models.tables.policies import ImmutabilityPolicy, PrunePolicy
from models.tables.prototypes import Prototype
from models.tables.quota import NamespaceBlob, NamespaceUsage, Quota, QuotaLimit, RegistrySize, RepositoryUsage
from models.tables.repositories import Permission, Repository, Star
from models.tables.search import RepositoryTerm
from models.tables.sessions import BrowserSession
from models.tables.stamps import AccessStamp
from models.tables.tokens import AppToken, OAuthApplication, OAuthToken, PublishedKey, RepositoryToken, ServiceKey
from models.tables.triggers import InboundEvent, Trigger

__all__ = [
    "AccessStamp",
    "Account",
    "AppToken",
    "AuthorizationCode",
    "Base",
    "Blob",
    "Brake",
    "BrowserSession",
    "Build",
    "BuildCache",
    "BuildShare",
    "Deleted",
    "Delivery",
    "DeliveryAttempt",
    "ExternalLogin",
    "Garbage",
    "ImmutabilityPolicy",
    "InboundEvent",
    "Invitation",
    "Job",
    "LogCount",
    "LogEntry",
    "LogExport",
    "Manifest",
    "ManifestBlob",
    "ManifestChild",
    "ManifestLabel",
    "Message",
    "NamespaceBlob",
    "NamespaceUsage",
    "Notification",
    "OAuthApplication",
    "OAuthToken",
    "OneTimeCode",
    "Organization",
    "Permission",
    "Prototype",
    "PrunePolicy",
    "PublishedKey",
    "Quota",
    "QuotaLimit",
    "RegistryCredential",
    "RegistrySize",
    "Repository",
    "RepositoryBlob",
    "RepositoryEmail",
    "RepositoryTerm",
    "RepositoryToken",
    "RepositoryUsage",
    "Robot",
    "RobotFederation",
    "Round",
    "ServiceKey",
    "Star",
    "Tag",
    "Team",
    "TeamMember",
    "TokenAssignment",
    "ToldExpiry",
    "Trigger",
    "TriggerSecret",
    "Upload",
    "User",
    "UserNotification",
]
