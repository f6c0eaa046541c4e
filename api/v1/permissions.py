"""Say which users, robots and teams may do what in a repository."""

from pydantic import Field

from api.endpoint import Body, Resource, Section, View, operation
from api.rules import fresh, repo_admin
from api.v1.views import AvatarView, Sparse, avatar_of, avatar_of_team
from models import permissions
from models.organizations import members_among
from models.tables import Permission, Repository
from models.tables.repositories import RepositoryRole

section = Section("permission", __doc__)


class PermissionChange(Body):
    role: RepositoryRole = Field(description="What may be done: each role includes the one before")


class UserPermissionView(View):
    """`is_org_member` is there where the repository belongs to an organization."""

    role: RepositoryRole
    name: str
    is_robot: bool
    avatar: AvatarView
    is_org_member: Sparse[bool] = None


class UserPermissionsView(View):
    permissions: dict[str, UserPermissionView]


class RepositoryTeamView(View):
    role: RepositoryRole
    name: str
    avatar: AvatarView


class RepositoryTeamsView(View):
    permissions: dict[str, RepositoryTeamView]


class RoleView(View):
    role: RepositoryRole


class RolesView(View):
    permissions: list[RoleView]


class _UserPermissions(Resource):
    def show(self, repository: Repository, found: list[Permission]) -> dict[str, UserPermissionView]:
        accounts = [permission.account for permission in found if permission.account is not None]
        owned_by_organization = repository.namespace.kind == "organization"
        ids = [account.id for account in accounts]
        members = members_among(self.session, repository.namespace, ids) if owned_by_organization else set()
        return {
            account.name: UserPermissionView(
                role=permission.role,
                name=account.name,
                is_robot=account.kind == "robot",
                avatar=avatar_of(account, None if account.kind == "robot" else "user"),
                is_org_member=account.id in members if owned_by_organization else None,
            )
            for permission, account in zip(found, accounts, strict=True)
        }

    def show_one(self, repository: Repository, permission: Permission) -> UserPermissionView:
        (view,) = self.show(repository, [permission]).values()
        return view


@section.at("/repository/<repopath:repository>/permissions/user/")
class RepositoryUsers(_UserPermissions):
    @operation("listRepoUserPermissions", allow=repo_admin)
    def get(self, repository: Repository) -> UserPermissionsView:
        """List all user permissions."""
        found = permissions.list_user_permissions(self.session, repository)
        return UserPermissionsView(permissions=self.show(repository, found))


@section.at("/repository/<repopath:repository>/permissions/user/<username>")
class RepositoryUser(_UserPermissions):
    @operation("getUserPermissions", allow=repo_admin)
    def get(self, repository: Repository, username: str) -> UserPermissionView:
        """Get the permission for the specified user."""
        return self.show_one(repository, permissions.get_user_permission(self.session, repository, username))

    @operation("changeUserPermissions", allow=fresh(repo_admin))
    def put(self, repository: Repository, username: str, body: PermissionChange) -> UserPermissionView:
        """Update the permission for the specified user, or give one."""
        changed = permissions.put_user_permission(self.session, repository, username, body.role, actor=self.caller)
        return self.show_one(repository, changed)

    @operation("deleteUserPermissions", allow=fresh(repo_admin))
    def delete(self, repository: Repository, username: str) -> None:
        """Delete the permission for the user."""
        permissions.remove_user_permission(self.session, repository, username, actor=self.caller)


@section.at("/repository/<repopath:repository>/permissions/user/<username>/transitive")
class RepositoryUserTransitive(Resource):
    @operation("getUserTransitivePermission", allow=repo_admin)
    def get(self, repository: Repository, username: str) -> RolesView:
        """Get the roles that the user has in the repository, by itself and through its teams."""
        roles = permissions.list_transitive_roles(self.session, repository, username)
        return RolesView(permissions=[RoleView(role=role) for role in roles])


@section.at("/repository/<repopath:repository>/permissions/team/")
class RepositoryTeams(Resource):
    @operation("listRepoTeamPermissions", allow=repo_admin)
    def get(self, repository: Repository) -> RepositoryTeamsView:
        """List all team permissions."""
        shown = [_team(permission) for permission in permissions.list_team_permissions(self.session, repository)]
        return RepositoryTeamsView(permissions={view.name: view for view in shown})


@section.at("/repository/<repopath:repository>/permissions/team/<teamname>")
class RepositoryTeam(Resource):
    @operation("getTeamPermissions", allow=repo_admin)
    def get(self, repository: Repository, teamname: str) -> RepositoryTeamView:
        """Fetch the permission for the specified team."""
        return _team(permissions.get_team_permission(self.session, repository, teamname))

    @operation("changeTeamPermissions", allow=fresh(repo_admin))
    def put(self, repository: Repository, teamname: str, body: PermissionChange) -> RepositoryTeamView:
        """Update the existing team permission, or give one."""
        changed = permissions.put_team_permission(self.session, repository, teamname, body.role, actor=self.caller)
        return _team(changed)

    @operation("deleteTeamPermissions", allow=fresh(repo_admin))
    def delete(self, repository: Repository, teamname: str) -> None:
        """Delete the permission for the specified team."""
        permissions.remove_team_permission(self.session, repository, teamname, actor=self.caller)


def _team(permission: Permission) -> RepositoryTeamView:
    team = permission.team
    if team is None:
        raise TypeError("not the permission of a team")
    return RepositoryTeamView(role=permission.role, name=team.name, avatar=avatar_of_team(team))
