"""A story in which every operation that changes something succeeds once, told to the company of `api.company`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.factories.browser import PASSWORD
from tests.factories.triggers import CONFIG, SHA
from tests.factories.world import CLIENT_ID


class Call(NamedTuple):
    """One call. `{name}` in the path is what a call before has kept; `keep` takes it from the answer."""

    operation: str
    path: str
    body: Any = None
    by: str | None = "owner"
    keep: Mapping[str, Callable[[Any], Any]] = MappingProxyType({})


def at(*keys: Any) -> Callable[[Any], Any]:
    """What lies under these keys of the answer."""

    def take(body: Any) -> Any:
        for key in keys:
            body = body[key]
        return body

    return take


def kept(name: str, *keys: Any) -> dict[str, Callable[[Any], Any]]:
    return {name: at(*keys)}


HOOK = {"url": "https://example.com/hook"}
QUOTA_NOTE = {"event": "quota_warning", "method": "webhook", "config": HOOK, "eventConfig": {}}
PUSH_NOTE = {"event": "repo_push", "method": "webhook", "config": HOOK, "eventConfig": {}}
NEWEST = {"method": "number_of_tags", "value": 10}
RULES = [{"issuer": "https://ci.example.com", "subject": "somebody"}]
LIMIT = {"type": "Warning", "threshold_percent": 80}
GIB = 1 << 30
APP, ACME, TEAM = "/repository/acme/app", "/organization/acme", "/organization/acme/team/members"
TOOL = f"{ACME}/applications/{CLIENT_ID}"


def _logins(whose: str, path: str) -> list[Call]:
    """A login at another registry, set and deleted."""
    url = f"{path}/registrycredential/quay.io"
    login = {"username": "ann", "password": "hunter2"}
    return [
        Call(f"put{whose}RegistryCredential", url, login),
        Call(f"delete{whose}RegistryCredential", url),
    ]


def _policies(where: str, prefix: str, path: str) -> list[Call]:
    return [
        Call(f"create{prefix}", path, NEWEST, keep=kept(where, "uuid")),
        Call(f"update{prefix}", f"{path}{{{where}}}", {**NEWEST, "value": 5}),
        Call(f"delete{prefix}", f"{path}{{{where}}}"),
    ]


def _notes(where: str, names: list[str], path: str, body: Any) -> list[Call]:
    one = f"{path}{{{where}}}"
    return [
        Call(names[0], path.rstrip("/") if "notifications" in path else path, body, keep=kept(where, "uuid")),
        Call(names[1], one),
        Call(names[2], f"{one}/secret"),
        Call(names[3], f"{one}/test"),
        Call(names[4], one),
    ]


def _quota(where: str, operations: list[str], path: str) -> list[Call]:
    return [
        Call(operations[0], path, {"limit_bytes": GIB}, by="root"),
        Call("", path, by="root", keep=kept(where, 0, "id")),
        Call(operations[1], f"{path}/{{{where}}}", {"limit_bytes": 2 * GIB}, by="root"),
        Call(operations[2], f"{path}/{{{where}}}", by="root"),
    ]


STORY: list[Call] = [
    Call("updateRepo", APP, {"description": "new"}),
    Call("changeRepoVisibility", f"{APP}/changevisibility", {"visibility": "public"}),
    Call("changeRepoTrust", f"{APP}/changetrust", {"trust_enabled": True}),
    Call("changeRepoState", f"{APP}/changestate", {"state": "READ_ONLY"}),
    Call("changeRepoState", f"{APP}/changestate", {"state": "NORMAL"}),
    Call("sendAuthorizeRepoEmail", f"{APP}/authorizedemail/a@b.example"),
    Call("createStar", "/user/starred", {"namespace": "acme", "repository": "app"}),
    Call("deleteStar", "/user/starred/acme/app"),
    Call("createRepo", "/repository", {"repository": "mine"}, by="stranger"),
    Call("deleteRepository", "/repository/stranger/mine", by="stranger"),
    Call("changeUserPermissions", f"{APP}/permissions/user/stranger", {"role": "read"}),
    Call("deleteUserPermissions", f"{APP}/permissions/user/stranger"),
    Call("changeTeamPermissions", f"{APP}/permissions/team/members", {"role": "read"}),
    Call("deleteTeamPermissions", f"{APP}/permissions/team/members"),
    Call("createToken", f"{APP}/tokens/", {"friendlyName": "ci"}, keep=kept("code", "code")),
    Call("changeToken", f"{APP}/tokens/{{code}}", {"role": "write"}),
    Call("deleteToken", f"{APP}/tokens/{{code}}"),
    Call("changeTag", f"{APP}/tag/moved", {"manifest_digest": "{digest}"}),
    Call("deleteFullTag", f"{APP}/tag/moved"),
    Call("restoreTag", f"{APP}/tag/moved/restore", {"manifest_digest": "{digest}"}),
    Call(
        "addManifestLabel",
        f"{APP}/manifest/{{digest}}/labels",
        {"key": "a", "value": "b", "media_type": "text/plain"},
        keep=kept("label", "label", "id"),
    ),
    Call("deleteManifestLabel", f"{APP}/manifest/{{digest}}/labels/{{label}}"),
    Call(
        "createRepositoryImmutabilityPolicy",
        f"{APP}/immutabilitypolicy/",
        {"tagPattern": "v1"},
        keep=kept("fix", "uuid"),
    ),
    Call("updateRepositoryImmutabilityPolicy", f"{APP}/immutabilitypolicy/{{fix}}", {"tagPattern": "v2"}),
    Call("deleteRepositoryImmutabilityPolicy", f"{APP}/immutabilitypolicy/{{fix}}"),
    Call("createOrgImmutabilityPolicy", f"{ACME}/immutabilitypolicy/", {"tagPattern": "v1"}, keep=kept("fix", "uuid")),
    Call("updateOrgImmutabilityPolicy", f"{ACME}/immutabilitypolicy/{{fix}}", {"tagPattern": "v2"}),
    Call("deleteOrgImmutabilityPolicy", f"{ACME}/immutabilitypolicy/{{fix}}"),
    *_policies("prune", "RepositoryAutoPrunePolicy", f"{APP}/autoprunepolicy/"),
    *_policies("prune", "OrganizationAutoPrunePolicy", f"{ACME}/autoprunepolicy/"),
    *_policies("prune", "UserAutoPrunePolicy", "/user/autoprunepolicy/"),
    Call("requestRepoBuild", f"{APP}/build/", {"archive_url": "https://example.com/a.tar"}, keep=kept("build", "id")),
    Call("changeRepoBuildPrioritySuperUser", "/superuser/{build}/build", {"priority": 1}, by="root"),
    Call("changeNamespaceBuildsSuperUser", "/superuser/namespaces/acme/builds", {"max_running": 1}, by="root"),
    Call("cancelRepoBuild", f"{APP}/build/{{build}}"),
    Call("createBuildTrigger", f"{APP}/trigger/", {"service": "custom-git", "config": {}}, keep=kept("trigger", "id")),
    Call("activateBuildTrigger", f"{APP}/trigger/{{trigger}}/activate", {"config": CONFIG}),
    Call("manuallyStartBuildTrigger", f"{APP}/trigger/{{trigger}}/start", {"commit_sha": SHA}),
    Call("putBuildTriggerSecret", f"{APP}/trigger/{{trigger}}/secret/npm", {"value": "hunter2"}),
    Call("deleteBuildTriggerSecret", f"{APP}/trigger/{{trigger}}/secret/npm"),
    *_logins("Repository", APP),
    *_logins("Organization", ACME),
    *_logins("User", "/user"),
    Call("updateBuildTrigger", f"{APP}/trigger/{{trigger}}", {"enabled": False}),
    Call("deleteBuildTrigger", f"{APP}/trigger/{{trigger}}"),
    *_notes(
        "note",
        [
            "createRepoNotification",
            "resetRepositoryNotificationFailures",
            "replaceRepoNotificationSecret",
            "testRepoNotification",
            "deleteRepoNotification",
        ],
        f"{APP}/notification/",
        PUSH_NOTE,
    ),
    *_notes(
        "note",
        [
            "createOrgNotification",
            "resetOrgNotificationFailures",
            "replaceOrgNotificationSecret",
            "testOrgNotification",
            "deleteOrgNotification",
        ],
        f"{ACME}/notifications/",
        QUOTA_NOTE,
    ),
    *_notes(
        "note",
        [
            "createUserNamespaceNotification",
            "resetUserNamespaceNotificationFailures",
            "replaceUserNamespaceNotificationSecret",
            "testUserNamespaceNotification",
            "deleteUserNamespaceNotification",
        ],
        "/user/namespacenotifications/",
        QUOTA_NOTE,
    ),
    Call("exportRepoLogs", f"{APP}/exportlogs", {}),
    Call("exportOrgLogs", f"{ACME}/exportlogs", {}),
    Call("exportUserLogs", "/user/exportlogs", {}),
    Call("createOrganization", "/organization/", {"name": "own", "email": "own@example.com"}),
    Call("changeOrganizationDetails", "/organization/own", {"email": "new@example.com"}),
    Call("deleteAdminedOrganization", "/organization/own"),
    Call("createOrganizationApplication", f"{ACME}/applications", {"name": "other"}, keep=kept("client", "client_id")),
    Call(
        "updateOrganizationApplication",
        f"{ACME}/applications/{{client}}",
        {"name": "other", "redirect_uri": "https://example.com", "application_uri": "https://example.com"},
    ),
    Call("resetOrganizationApplicationClientSecret", f"{ACME}/applications/{{client}}/resetclientsecret"),
    Call("deleteOrganizationApplication", f"{ACME}/applications/{{client}}"),
    Call(
        "createOrganizationApplicationToken",
        f"{TOOL}/tokens",
        {"friendlyName": "t", "scope": "repo:read"},
        keep=kept("token", "uuid"),
    ),
    Call("deleteOrganizationApplicationToken", f"{TOOL}/tokens/{{token}}"),
    Call("updateOrganizationTeam", f"{ACME}/team/new", {"role": "member"}),
    Call("deleteOrganizationTeam", f"{ACME}/team/new"),
    Call("updateOrganizationTeamMember", f"{TEAM}/members/stranger"),
    Call("acceptOrganizationTeamInvite", "/teaminvite/{invite}", by="stranger"),
    Call("deleteOrganizationTeamMember", f"{TEAM}/members/stranger"),
    Call("updateOrganizationTeamMember", f"{TEAM}/members/stranger"),
    Call("declineOrganizationTeamInvite", "/teaminvite/{invite}", by="stranger"),
    Call("inviteTeamMemberEmail", f"{TEAM}/invite/a@b.example"),
    Call("deleteTeamMemberEmailInvite", f"{TEAM}/invite/a@b.example"),
    Call("removeOrganizationMember", f"{ACME}/members/creator"),
    Call(
        "createOrganizationPrototypePermission",
        f"{ACME}/prototypes",
        {"role": "read", "delegate": {"kind": "user", "name": "reader"}},
        keep=kept("prototype", "id"),
    ),
    Call("updateOrganizationPrototypePermission", f"{ACME}/prototypes/{{prototype}}", {"role": "write"}),
    Call("deleteOrganizationPrototypePermission", f"{ACME}/prototypes/{{prototype}}"),
    Call("createOrgRobot", f"{ACME}/robots/bot", {}),
    Call("regenerateOrgRobotToken", f"{ACME}/robots/bot/regenerate"),
    Call("createOrgRobotFederation", f"{ACME}/robots/bot/federation", RULES),
    Call("deleteOrgRobotFederation", f"{ACME}/robots/bot/federation"),
    Call("deleteOrgRobot", f"{ACME}/robots/bot"),
    Call("createUserRobot", "/user/robots/bot", {}),
    Call("regenerateUserRobotToken", "/user/robots/bot/regenerate"),
    Call("createUserRobotFederation", "/user/robots/bot/federation", RULES),
    Call("deleteUserRobotFederation", "/user/robots/bot/federation"),
    Call("deleteUserRobot", "/user/robots/bot"),
    Call("createAppToken", "/user/apptoken", {"title": "laptop"}, keep=kept("apptoken", "token", "uuid")),
    Call("revokeAppToken", "/user/apptoken/{apptoken}"),
    Call("changeUserDetails", "/user/", {"given_name": "Olga"}),
    Call("generateUserClientKey", "/user/clientkey", {"password": PASSWORD}),
    *_quota(
        "quota",
        ["createOrganizationQuota", "changeOrganizationQuota", "deleteOrganizationQuota"],
        f"{ACME}/quota",
    )[:3],
    Call("createOrganizationQuotaLimit", f"{ACME}/quota/{{quota}}/limit", LIMIT, by="root"),
    Call("", f"{ACME}/quota/{{quota}}/limit", by="root", keep=kept("limit", 0, "id")),
    Call(
        "changeOrganizationQuotaLimit",
        f"{ACME}/quota/{{quota}}/limit/{{limit}}",
        {**LIMIT, "threshold_percent": 90},
        by="root",
    ),
    Call("deleteOrganizationQuotaLimit", f"{ACME}/quota/{{quota}}/limit/{{limit}}", by="root"),
    Call("deleteOrganizationQuota", f"{ACME}/quota/{{quota}}", by="root"),
    *_quota(
        "quota",
        ["createOrganizationQuotaSuperUser", "changeOrganizationQuotaSuperUser", "deleteOrganizationQuotaSuperUser"],
        "/superuser/organization/acme/quota",
    ),
    *_quota(
        "quota",
        ["createUserQuotaSuperUser", "changeUserQuotaSuperUser", "deleteUserQuotaSuperUser"],
        "/superuser/users/stranger/quota",
    ),
    Call(
        "createGlobalMessage",
        "/messages",
        {"message": {"content": "a", "media_type": "text/plain", "severity": "info"}},
        by="root",
    ),
    Call("createInstallUser", "/superuser/users/", {"username": "new", "email": "new@new.example"}, by="root"),
    Call("changeInstallUser", "/superuser/users/new", {"enabled": False}, by="root"),
    Call("sendInstallUserRecoveryEmail", "/superusers/users/reader/sendrecovery", by="root"),
    Call("deleteInstallUser", "/superuser/users/new", by="root"),
    Call("queueRegistrySizeCalculation", "/superuser/registrysize/", by="root"),
    Call(
        "createServiceKey", "/superuser/keys", {"service": "s", "expiration": None}, by="root", keep=kept("kid", "kid")
    ),
    Call("approveServiceKey", "/superuser/approvedkeys/waiting", {}, by="root"),
    Call("updateServiceKey", "/superuser/keys/{kid}", {"name": "n"}, by="root"),
    Call("deleteServiceKey", "/superuser/keys/{kid}", by="root"),
    Call("requestConfirmationEmail", "/user/confirmation", {"email": "reader@example.com"}, by=None),
    Call("requestRecoveryEmail", "/recovery", {"email": "reader@example.com"}, by=None),
    Call("createNewUser", "/user/", {"username": "fresh", "password": PASSWORD, "email": "fresh@example.com"}, by=None),
    Call("signinUser", "/signin", {"username": "owner", "password": PASSWORD}, by=None),
    Call("deleteUserAuthorization", "/user/authorizations/{authorization}", by="writer"),
    Call("deleteAssignedAuthorization", "/user/assignedauthorization/{assignment}", by="writer"),
    Call("changeOrganization", "/superuser/organizations/acme", {"name": "emca"}, by="root"),
    Call("takeOwnership", "/superuser/takeownership/emca", by="root"),
    Call("deleteOrganization", "/superuser/organizations/emca", by="root"),
    Call("convertUserToOrganization", "/user/convert", {"adminUser": "owner", "adminPassword": PASSWORD}, by="reader"),
    Call("deleteCurrentUser", "/user/", by="stranger"),
]
