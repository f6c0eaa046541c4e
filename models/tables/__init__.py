"""Tables, and nothing but tables. Importing this package registers all of them."""

from models.tables.accounts import Account, Organization, Robot, Team, TeamMember, User
from models.tables.base import Base
from models.tables.content import Blob, Manifest, ManifestBlob, ManifestChild, RepositoryBlob, Tag, Upload
from models.tables.jobs import Build, Job
from models.tables.logs import LogEntry
from models.tables.repositories import Permission, Repository, Star
from models.tables.tokens import AppToken, OAuthApplication, OAuthToken, RepositoryToken, ServiceKey

__all__ = [
    "Account",
    "AppToken",
    "Base",
    "Blob",
    "Build",
    "Job",
    "LogEntry",
    "Manifest",
    "ManifestBlob",
    "ManifestChild",
    "OAuthApplication",
    "OAuthToken",
    "Organization",
    "Permission",
    "Repository",
    "RepositoryBlob",
    "RepositoryToken",
    "Robot",
    "ServiceKey",
    "Star",
    "Tag",
    "Team",
    "TeamMember",
    "Upload",
    "User",
]
