"""The forges' REST APIs, as far as triggers need them: a repository's facts, its deploy keys and its hooks.

One table, since forges differ in words and not in what they offer. Paths and fields are those of the forges' own
documentation: GitHub REST 2022-11-28, GitLab v4, Bitbucket Cloud 2.0, Gitea v1 (Forgejo's is the same).
"""

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from buildworker.outbound import Outbound
from models.errors import Invalid, Upstream
from models.tables.triggers import Service
from models.trigger_config import home
from models.triggers import Registered

_TIMEOUT_S = 10.0
_LONGEST_S = 20.0
_MOST_BYTES = 4 * 1024 * 1024
_PAGES = 5
Json = dict[str, Any]


@dataclass(frozen=True)
class Hook:
    """What a forge is asked to tell about pushes: where, and signed with what."""

    url: str
    secret: str


@dataclass(frozen=True)
class Namespace:
    """A user or organization of the forge."""

    id: str
    title: str
    url: str
    avatar_url: str | None
    personal: bool


@dataclass(frozen=True)
class Found:
    """A repository of the forge."""

    name: str
    full_name: str
    description: str | None
    url: str
    private: bool
    last_updated: str | None
    admin: bool


@dataclass(frozen=True)
class Forge:
    """How one forge words it. Each function takes what the forge answered, or makes what it is sent."""

    base: Callable[[Mapping[str, Any]], str]
    headers: Callable[[str], Json]
    repository: Callable[[str], str]
    keys: str
    key_body: Callable[[str, str], Json]
    hook_body: Callable[[Hook], Json]
    hook_url: Callable[[Json], str]
    hook_id: str
    default_branch: Callable[[Json], str | None]
    git_url: Callable[[Json], str]
    namespaces: Sequence[tuple[str, Callable[[Json], Namespace]]]
    sources: Callable[[str], str]
    source: Callable[[Json], Found]
    per_page: str = "per_page"
    most: int = 100


@contextmanager
def _understood() -> Iterator[None]:
    """What is not of the form that the forge's documentation tells is the forge's mistake: Upstream."""
    try:
        yield
    except (AttributeError, LookupError, StopIteration, TypeError) as exc:
        raise Upstream("the forge: its answer is not of the form that was expected") from exc


class ForgeApi:
    """One forge with one trigger's credentials. Everything raises `Invalid` (what the forge refuses) or `Upstream`."""

    def __init__(self, outbound: Outbound, service: Service, config: Mapping[str, Any], token: str) -> None:
        self._outbound = outbound
        self._forge = FORGES[service]
        self._base = config.get("api_url") or self._forge.base({**config, "base_url": home(service, config)})
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", **self._forge.headers(token)}
        self._slug = str(config.get("build_source", ""))
        self._deadline = time.monotonic() + _LONGEST_S

    @_understood()
    def register(self, title: str, public_key: str, hook: Hook) -> Registered:
        """Give the forge the trigger's key and hook, in place of what an attempt before this one left there."""
        about = self._call("GET", self._repository())
        branch, git_url = self._forge.default_branch(about), self._forge.git_url(about)
        key_id = hook_id = None
        try:
            key_id = self._put(self._forge.keys, "key", public_key, self._forge.key_body(title, public_key), "id")
            hook_id = self._put("hooks", None, hook.url, self._forge.hook_body(hook), self._forge.hook_id)
        except BaseException:
            self.unregister(Registered(hook_id, key_id))
            raise
        return Registered(hook_id, key_id, branch, git_url)

    def unregister(self, made: Registered) -> None:
        """Take key and hook away; what is gone already is no error."""
        for kind, number in (("hooks", made.hook_id), (self._forge.keys, made.deploy_key_id)):
            if number is not None:
                self._call("DELETE", f"{self._repository()}/{kind}/{quote(number, safe='')}", missing_ok=True)

    @_understood()
    def namespaces(self) -> list[Namespace]:
        """The users and organizations whose repositories the credentials can see."""
        found: list[Namespace] = []
        for path, read in self._forge.namespaces:
            found += [read(each) for each in self._list(path)]
        return found

    @_understood()
    def sources(self, namespace: str) -> list[Found]:
        """The repositories of a namespace."""
        listed = self._list(self._forge.sources(namespace))
        found = [self._forge.source(each) for each in listed]
        return [each for each in found if each.full_name.rpartition("/")[0] == namespace]

    def _put(self, kind: str, field: str | None, value: str, body: Json, id_field: str) -> str:
        """Create a key or hook after removing one of the same value."""
        path = f"{self._repository()}/{kind}"
        for each in self._list(path):
            known = str(each.get(field, "")) if field else self._forge.hook_url(each)
            if known.split()[:2] == value.split()[:2]:
                self._call("DELETE", f"{path}/{quote(str(each[id_field]), safe='')}", missing_ok=True)
        return str(self._call("POST", path, body)[id_field])

    def _repository(self) -> str:
        return self._forge.repository(self._slug)

    def _list(self, path: str) -> list[Json]:
        """A list of the forge, or the one thing where it is one; the first pages of a long list."""
        found: list[Json] = []
        most = self._forge.most
        for page in range(1, _PAGES + 1):
            mark = "&" if "?" in path else "?"
            answer: Any = self._call("GET", f"{path}{mark}{self._forge.per_page}={most}&page={page}")
            values = answer.get("values", [answer]) if isinstance(answer, dict) else answer
            found += values
            if len(values) < most:
                break
        return found

    def _call(self, method: str, path: str, body: Json | None = None, *, missing_ok: bool = False) -> Any:
        content = None if body is None else json.dumps(body).encode()
        with self._outbound.send(
            method,
            f"{self._base}/{path}",
            content,
            max_bytes=_MOST_BYTES,
            timeout_s=_TIMEOUT_S,
            deadline=self._deadline,
            subject="the forge",
            headers=self._headers,
        ) as response:
            answered = b"".join(response.blocks())
            if response.status == 404 and missing_ok:
                return {}
            if not 200 <= response.status < 300:
                raise _refused(response.status, method, path, answered)
        try:
            return json.loads(answered) if answered.strip() else {}
        except ValueError as exc:
            raise Upstream(f"the forge: its answer to {method} {path} is no JSON") from exc


def _refused(status: int, method: str, path: str, answered: bytes) -> Invalid | Upstream:
    try:
        told = json.loads(answered)
        message = str(told.get("message") or told.get("error") or "") if isinstance(told, dict) else ""
    except ValueError:
        message = ""
    text = f"the forge answered {status} to {method} {path.partition('?')[0]}" + (
        f": {message[:300]}" if message else ""
    )
    if status in (401, 403, 404):
        return Invalid(f"{text} (auth_token has to be one that may administer the repository)")
    return Invalid(text) if status < 500 else Upstream(text)


def _token(scheme: str) -> Callable[[str], Json]:
    return lambda token: {"Authorization": f"{scheme} {token}"}


def _bitbucket_headers(token: str) -> Json:
    """An app password goes with its user's name, `name:password`; an access token alone."""
    if ":" in token:
        return {"Authorization": "Basic " + base64.b64encode(token.encode()).decode()}
    return {"Authorization": f"Bearer {token}"}


def _github_base(config: Mapping[str, Any]) -> str:
    base = str(config["base_url"])
    return "https://api.github.com" if urlsplit(base).hostname == "github.com" else f"{base}/api/v3"


def _bitbucket_base(config: Mapping[str, Any]) -> str:
    base = str(config["base_url"])
    return "https://api.bitbucket.org/2.0" if urlsplit(base).hostname == "bitbucket.org" else f"{base}/2.0"


def _web_hook(kind: Json) -> Callable[[Hook], Json]:
    """GitHub's form of a hook, and Gitea's."""
    return lambda hook: {
        **kind,
        "active": True,
        "events": ["push"],
        "config": {"url": hook.url, "content_type": "json", "secret": hook.secret},
    }


def _config_url(hook: Json) -> str:
    return str((hook.get("config") or {}).get("url", ""))


def _read_only_key(title: str, key: str) -> Json:
    return {"title": title, "key": key, "read_only": True}


def _account(kind: Json, *, personal: bool) -> Namespace:
    name = str(kind.get("login") or kind.get("username"))
    return Namespace(name, name, str(kind.get("html_url") or kind.get("url") or ""), kind.get("avatar_url"), personal)


def _hub_source(told: Json) -> Found:
    """A repository as GitHub and Gitea tell of it."""
    admin = bool((told.get("permissions") or {}).get("admin"))
    updated = told.get("pushed_at") or told.get("updated_at")
    return Found(
        told["name"], told["full_name"], told.get("description"), told["html_url"], told["private"], updated, admin
    )


def _gitlab_source(told: Json) -> Found:
    access = (told.get("permissions") or {}).get("project_access") or {}
    return Found(
        told["path"],
        told["path_with_namespace"],
        told.get("description"),
        told["web_url"],
        told.get("visibility") != "public",
        told.get("last_activity_at"),
        access.get("access_level", 0) >= 40,
    )


def _bitbucket_source(told: Json) -> Found:
    url = told["links"]["html"]["href"]
    name = told["full_name"].rpartition("/")[2]
    return Found(
        name, told["full_name"], told.get("description"), url, told["is_private"], told.get("updated_on"), True
    )


def _bitbucket_ssh(told: Json) -> str:
    return str(next(link["href"] for link in told["links"]["clone"] if link["name"] == "ssh"))


_HUB_NAMESPACES: Sequence[tuple[str, Callable[[Json], Namespace]]] = (
    ("user", lambda told: _account(told, personal=True)),
    ("user/orgs", lambda told: _account(told, personal=False)),
)

FORGES: Mapping[Service, Forge] = {
    "github": Forge(
        base=_github_base,
        headers=lambda token: {**_token("Bearer")(token), "X-GitHub-Api-Version": "2022-11-28"},
        repository=lambda slug: f"repos/{quote(slug)}",
        keys="keys",
        key_body=_read_only_key,
        hook_body=_web_hook({"name": "web"}),
        hook_url=_config_url,
        hook_id="id",
        default_branch=lambda told: told.get("default_branch"),
        git_url=lambda told: str(told["ssh_url"]),
        namespaces=_HUB_NAMESPACES,
        sources=lambda namespace: "user/repos",
        source=_hub_source,
    ),
    "gitea": Forge(
        base=lambda config: f"{config['base_url']}/api/v1",
        headers=_token("token"),
        repository=lambda slug: f"repos/{quote(slug)}",
        keys="keys",
        key_body=_read_only_key,
        hook_body=_web_hook({"type": "gitea"}),
        hook_url=_config_url,
        hook_id="id",
        default_branch=lambda told: told.get("default_branch"),
        git_url=lambda told: str(told["ssh_url"]),
        namespaces=_HUB_NAMESPACES,
        sources=lambda namespace: "user/repos",
        source=_hub_source,
        per_page="limit",
        most=50,  # what its MAX_RESPONSE_ITEMS is by default: of more, it gives no more
    ),
    "gitlab": Forge(
        base=lambda config: f"{config['base_url']}/api/v4",
        headers=lambda token: {"PRIVATE-TOKEN": token},
        repository=lambda slug: f"projects/{quote(slug, safe='')}",
        keys="deploy_keys",
        key_body=lambda title, key: {"title": title, "key": key, "can_push": False},
        hook_body=lambda hook: {
            "url": hook.url,
            "token": hook.secret,
            "push_events": True,
            "tag_push_events": True,
            "enable_ssl_verification": True,
        },
        hook_url=lambda told: str(told.get("url", "")),
        hook_id="id",
        default_branch=lambda told: told.get("default_branch"),
        git_url=lambda told: str(told["ssh_url_to_repo"]),
        namespaces=(
            (
                "namespaces",
                lambda told: Namespace(
                    told["full_path"], told["name"], told["web_url"], told.get("avatar_url"), told["kind"] == "user"
                ),
            ),
        ),
        sources=lambda namespace: "projects?membership=true",
        source=_gitlab_source,
    ),
    "bitbucket": Forge(
        base=_bitbucket_base,
        headers=_bitbucket_headers,
        repository=lambda slug: f"repositories/{quote(slug)}",
        keys="deploy-keys",
        key_body=lambda title, key: {"label": title, "key": key},
        hook_body=lambda hook: {
            "description": "Builds images",
            "url": hook.url,
            "secret": hook.secret,
            "active": True,
            "events": ["repo:push"],
        },
        hook_url=lambda told: str(told.get("url", "")),
        hook_id="uuid",
        default_branch=lambda told: (told.get("mainbranch") or {}).get("name"),
        git_url=_bitbucket_ssh,
        namespaces=(
            (
                "workspaces",
                lambda told: Namespace(
                    told["slug"], told["name"], told["links"]["html"]["href"], told["links"]["avatar"]["href"], False
                ),
            ),
        ),
        sources=lambda namespace: f"repositories/{quote(namespace)}",
        source=_bitbucket_source,
        per_page="pagelen",
    ),
}
