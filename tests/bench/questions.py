"""What the large installation is asked: every list and search, by people to whom much or little belongs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg

QUERIES = ("web", "queue-server", "ront", "777", "x", "every+night", "redis+deployed", "nothing-like-it", "api-12", "")
PREFIXES = ("a", "re", "web1", "user", "node12", "x")
SAMPLE = 100


class Question(NamedTuple):
    """A line of the table: who asks for which paths, in turn."""

    name: str
    by: str
    paths: Sequence[str]


@dataclass(frozen=True)
class World:
    """Names of what the database has. `people`: a user for each kind of caller. `busiest`: who is in the log most."""

    people: dict[str, str]
    busiest: str
    largest: str
    middle: str
    organizations: Sequence[str]
    public: Sequence[str]
    in_largest: Sequence[str]
    in_middle: Sequence[str]


def look_around(uri: str) -> World:
    """Choose whom and what to ask about: the first organization, which is the largest, and one of middling size."""
    with psycopg.connect(uri) as connection:

        def names(query: str, *values: Any) -> list[str]:
            return [name for (name,) in connection.execute(query, values).fetchall()]

        every = names("SELECT name FROM account WHERE kind = 'organization' ORDER BY id")
        largest, middle = every[0], every[len(every) // 5]
        people = {"largest": names(_OWNER, largest)[0], "middle": names(_OWNER, middle)[0]}
        user, root = names("SELECT name FROM account WHERE kind = 'user' ORDER BY id DESC LIMIT 2")
        return World(
            people={**people, "user": user, "root": root},
            busiest=names("SELECT name FROM account WHERE kind = 'user' ORDER BY id LIMIT 1")[0],
            largest=largest,
            middle=middle,
            organizations=every[:SAMPLE],
            public=names(f"{_REPOSITORIES} AND is_public ORDER BY repository.id LIMIT %s", SAMPLE),
            in_largest=names(f"{_REPOSITORIES} AND account.name = %s ORDER BY repository.id LIMIT %s", largest, SAMPLE),
            in_middle=names(f"{_REPOSITORIES} AND account.name = %s ORDER BY repository.id LIMIT %s", middle, SAMPLE),
        )


_OWNER = """
SELECT member.name FROM team JOIN team_member ON team_id = team.id JOIN account AS member ON member.id = account_id
JOIN account AS organization ON organization.id = organization_id
WHERE organization.name = %s AND team.name = 'owners' ORDER BY member.id LIMIT 1
"""
_REPOSITORIES = """
SELECT account.name || '/' || repository.name FROM repository JOIN account ON account.id = namespace_id
WHERE state = 'NORMAL'
"""


def lists_and_searches(world: World) -> list[Question]:
    """Every operation whose answer may be long."""
    return [
        *_of_everybody(world),
        *_of_users(),
        *_of_organizations(world),
        *_of_repositories(world),
        *_of_superusers(),
    ]


def reads(by: str, organization: str, repositories: Sequence[str]) -> list[Question]:
    """What programs ask for most."""
    return [
        Question("user/", by, ["/user/"]),
        Question("a repository", by, [f"/repository/{each}?includeTags=false" for each in repositories]),
        Question("a repository with its tags", by, [f"/repository/{each}" for each in repositories]),
        Question("tags of a repository", by, [f"/repository/{each}/tag/" for each in repositories]),
        Question("an organization", by, [f"/organization/{organization}"]),
    ]


def _of_everybody(world: World) -> list[Question]:
    find = [f"/find/repositories?query={each}" for each in QUERIES]
    everything = [f"/find/all?query={each}" for each in QUERIES]
    listed = [f"/repository?namespace={each}" for each in world.organizations]
    shown = "last_modified=true&popularity=true"
    found = [
        Question("listRepos, public", "user", [f"/repository?public=true&{shown}"]),
        Question("listRepos, of a namespace", "user", [f"{each}&{shown}" for each in listed]),
        Question("listRepos, of the largest", "largest", [f"/repository?namespace={world.largest}&{shown}"]),
        Question("conductRepoSearch, with usage", "user", [f"{each}&includeUsage=true" for each in find]),
        Question("conductRepoSearch, last page", "user", [f"{each}&page=10" for each in find]),
        Question("getGlobalMessages", "user", ["/messages"]),
    ]
    for by in ("anonymous", "user", "largest", "root"):
        found.append(Question(f"conductRepoSearch, {by}", by, find))
        found.append(Question(f"conductSearch, {by}", by, everything))
        inside = f"?namespace={world.largest}&includeTeams=true&includeOrgs=true" if by == "largest" else ""
        found.append(Question(f"getMatchingEntities, {by}", by, [f"/entities/{each}{inside}" for each in PREFIXES]))
    return found


def _of_users() -> list[Question]:
    paths = {
        "listStarredRepos": "starred",
        "getUserRobots": "robots?permissions=true",
        "listUserNotifications": "notifications",
        "listUserLogs": "logs",
        "getAggregateUserLogs": "aggregatelogs",
        "listUserAuthorizations": "authorizations",
        "listUserNamespaceNotifications": "namespacenotifications",
        "getLoggedInUser": "",
    }
    return [Question(name, "user", [f"/user/{path}"]) for name, path in paths.items()]


def _of_organizations(world: World) -> list[Question]:
    start, end = "starttime=01/01/2020", "endtime=01/01/2100"
    today = datetime.now(UTC)
    year = f"starttime={today - timedelta(days=364):%m/%d/%Y}&endtime={today:%m/%d/%Y}"
    paths = {
        "getOrganization": "",
        "getOrganizationMembers": "/members",
        "getOrganizationCollaborators": "/collaborators",
        "getOrgRobots": "/robots?permissions=true",
        "getOrganizationTeamMembers": "/team/developers/members?includePending=true",
        "getOrganizationTeamPermissions": "/team/developers/permissions",
        "getOrganizationPrototypePermissions": "/prototypes",
        "getOrganizationApplications": "/applications",
        "listOrgLogs": "/logs",
        "listOrgLogs, all time": f"/logs?{start}&{end}",
        "getAggregateOrgLogs": "/aggregatelogs",
        "getAggregateOrgLogs, of a person, a year": f"/aggregatelogs?performer={world.busiest}&{year}",
        "listOrgNotifications": "/notifications",
        "listOrganizationQuota": "/quota",
    }
    sizes = (("middle", world.middle), ("largest", world.largest))
    return [
        Question(f"{name}, {size}", size, [f"/organization/{organization}{path}"])
        for name, path in paths.items()
        for size, organization in sizes
    ]


def _of_repositories(world: World) -> list[Question]:
    open_to_all = {
        "listRepoTags": "tag/?limit=100",
        "listRepoTags, by name": "tag/?filter_tag_name=like:1",
        "listRepositoryImages": "image/",
        "getRepoBuilds": "build/",
    }
    for_administrators = {
        "listRepoLogs": "logs",
        "getAggregateRepoLogs": "aggregatelogs",
        "listRepoUserPermissions": "permissions/user/",
        "listRepoTeamPermissions": "permissions/team/",
        "listRepoNotifications": "notification/",
        "listBuildTriggers": "trigger/",
        "listRepoTokens": "tokens/",
    }
    by_readers = [(name, "user", world.public, path) for name, path in open_to_all.items()]
    by_owners = [(name, "largest", world.in_largest, path) for name, path in for_administrators.items()]
    found = [
        Question(name, by, [f"/repository/{each}/{path}" for each in repositories])
        for name, by, repositories, path in (*by_readers, *by_owners)
    ]
    counted = [f"/repository/{each}?includeStats=true" for each in world.public]
    return [*found, Question("getRepo, with statistics", "user", counted)]


def _of_superusers() -> list[Question]:
    paths = {
        "listAllUsers": "users/?limit=100",
        "listAllLogs": "logs",
        "listAllAggregateLogs": "aggregatelogs",
        "listAllOrganizations": "organizations/?limit=100",
    }
    return [Question(name, "root", [f"/superuser/{path}"]) for name, path in paths.items()]
