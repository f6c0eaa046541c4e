"""The files of a commit from real git servers, and what git is kept from doing on the way."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from buildworker import look
from buildworker.checkout import Commit, Wanted, fetch
from buildworker.git import GitFailed, Limits, Source, list_refs
from buildworker.outbound import Outbound
from models.errors import Invalid, Upstream
from models.triggers import new_key_pair
from tests.services.git import GitServer, Repository, SshServer, git_http, git_ssh

OUTBOUND = Outbound(["127.0.0.1"])
TOKEN = "token-of-the-forge"


@pytest.fixture(scope="module")
def http(root: Path) -> Iterator[GitServer]:
    with git_http(root, token=TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def ssh(root: Path) -> Iterator[SshServer]:
    with git_ssh(root) as server:
        yield server


def limits(max_bytes: int = 10_000_000) -> Limits:
    return Limits(time.monotonic() + 20, max_bytes)


def check_out(
    source: Source, wanted: Wanted, into: Path, *, entries: int = 100, bounds: Limits | None = None
) -> Commit:
    into.mkdir()
    return fetch(OUTBOUND, source, wanted, into, bounds or limits(), max_entries=entries)


def test_exactly_the_commit_comes_without_history(daemon: GitServer, repository: Repository, tmp_path: Path) -> None:
    first = repository.commit({"Dockerfile": "FROM scratch\n", "src/a": "1"}, "the first\n\nin detail")
    repository.commit({"src/a": "2"})
    tree = tmp_path / "tree"

    commit = check_out(Source(daemon.url(repository.name)), Wanted(first), tree)

    assert commit == Commit(first, "the first\n\nin detail", "Ada", commit.date, "")
    assert (tree / "src/a").read_text() == "1"
    assert sorted(path.name for path in tree.iterdir()) == ["Dockerfile", "src"]
    assert [path.name for path in tmp_path.iterdir()] == ["tree"], "what git needed for it is gone"


def test_a_short_hash_is_found(daemon: GitServer, repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({"a": "1"}, branch="side")
    repository.commit({"a": "2"})
    found = check_out(Source(daemon.url(repository.name)), Wanted(commit[:8]), tmp_path / "tree")
    assert found.sha == commit
    with pytest.raises(GitFailed, match="on no branch or tag"):
        check_out(Source(daemon.url(repository.name)), Wanted("0123456"), tmp_path / "none")


def test_a_server_that_gives_no_commit_without_a_ref_is_asked_for_the_ref(
    daemon: GitServer, repository: Repository, tmp_path: Path
) -> None:
    commit = repository.commit({"a": "1"})
    missing = "f" * 40
    with pytest.raises(GitFailed, match="on no branch or tag"):
        check_out(Source(daemon.url(repository.name)), Wanted(missing, "refs/heads/main"), tmp_path / "none")
    assert check_out(Source(daemon.url(repository.name)), Wanted(commit, "refs/heads/main"), tmp_path / "it").sha


def test_http_with_a_token(http: GitServer, repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({"a": "1"})
    source = Source(http.url(repository.name), auth_token=TOKEN)
    assert check_out(source, Wanted(commit), tmp_path / "tree").sha == commit
    with pytest.raises(GitFailed, match="git fetch: ") as refused:
        check_out(replace(source, auth_token="wrong"), Wanted(commit), tmp_path / "none")
    assert "wrong" not in refused.value.detail


def test_ssh_with_a_key_whose_servers_key_is_learnt_and_then_kept_to(
    ssh: SshServer, repository: Repository, tmp_path: Path
) -> None:
    commit = repository.commit({"a": "1"})
    private, public = new_key_pair()
    ssh.admit(public)
    source = Source(ssh.url(repository.name), private_key=private)
    folder = tmp_path / "as people name 100% of them"
    folder.mkdir()

    found = check_out(source, Wanted(commit), folder / "tree")

    assert found.known_hosts == ssh.host_key
    pinned = replace(source, known_hosts=found.known_hosts)
    assert check_out(pinned, Wanted(commit), tmp_path / "again").sha == commit
    other = ssh.host_key.split()[0] + " " + " ".join(new_key_pair()[1].split()[:2])
    with pytest.raises(GitFailed, match=r"(?i)host key"):
        check_out(replace(source, known_hosts=other), Wanted(commit), tmp_path / "fake")
    with pytest.raises(GitFailed, match=r"(?i)permission denied"):
        check_out(replace(source, private_key=new_key_pair()[0]), Wanted(commit), tmp_path / "none")


def test_submodules_come_too(daemon: GitServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        tempfile, "tempdir", "/nowhere"
    )  # git's folders are beside the tree, where they are found again
    inner, outer = Repository(root, "inner.git"), Repository(root, "outer.git")
    inner.commit({"inside": "yes"})
    outer.commit({"Dockerfile": "FROM scratch\n"})
    commit = outer.submodule(daemon.url(inner.name), "vendor/inner")
    source = Source(daemon.url(outer.name))

    check_out(source, Wanted(commit), tmp_path / "tree")

    assert (tmp_path / "tree/vendor/inner/inside").read_text() == "yes"
    check_out(source, Wanted(commit, submodules=False), tmp_path / "without")
    assert not any((tmp_path / "without/vendor/inner").iterdir())


def test_a_submodule_leads_to_no_forbidden_address_and_no_file(
    daemon: GitServer, repository: Repository, root: Path, tmp_path: Path
) -> None:
    repository.commit({"a": "1"})
    commit = repository.submodule(str(root / repository.name), "vendor")
    with pytest.raises(GitFailed, match="submodule vendor: submodule: expected an address"):
        check_out(Source(daemon.url(repository.name)), Wanted(commit), tmp_path / "tree")


@pytest.mark.parametrize("url", ["git://10.0.0.1/a.git", "http://169.254.169.254/a", "git@192.168.0.1:a/b.git"])
def test_private_addresses_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="OUTBOUND_ALLOWED_PRIVATE_HOSTS"):
        check_out(Source(url), Wanted("0" * 40), tmp_path / "tree")


def test_limits_of_size_number_and_time(daemon: GitServer, repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({"large": "x" * 200_000, "b": "", "c": ""})
    source = Source(daemon.url(repository.name))
    with pytest.raises(Invalid, match="larger than the 100000 bytes"):
        check_out(source, Wanted(commit), tmp_path / "1", bounds=limits(max_bytes=100_000))
    with pytest.raises(Invalid, match="more files"):
        check_out(source, Wanted(commit), tmp_path / "2", entries=2)
    with pytest.raises((Upstream, GitFailed)):
        check_out(source, Wanted(commit), tmp_path / "3", bounds=Limits(time.monotonic() - 1, 10**9))


def test_a_few_bytes_that_name_billions_of_files_are_noticed(
    daemon: GitServer, repository: Repository, tmp_path: Path
) -> None:
    commit = repository.bomb()
    begun = time.monotonic()
    with pytest.raises(Invalid, match="too many files"):
        check_out(Source(daemon.url(repository.name)), Wanted(commit), tmp_path / "tree")
    assert time.monotonic() - begun < 10


def test_links_are_kept_and_attributes_run_nothing(daemon: GitServer, repository: Repository, tmp_path: Path) -> None:
    hook = tmp_path / "ran"
    commit = repository.commit(
        {"a": "1", ".gitattributes": "* filter=evil\n", ".gitconfig": f'[filter "evil"]\n\tsmudge = touch {hook}\n'}
    )
    check_out(Source(daemon.url(repository.name)), Wanted(commit), tmp_path / "tree")
    assert not hook.exists()
    assert (tmp_path / "tree/a").read_text() == "1"


def test_refs_and_dockerfiles_are_seen_before_anything_is_built(daemon: GitServer, repository: Repository) -> None:
    commit = repository.commit({"Dockerfile": "FROM a\n", "sub/Dockerfile.dev": "FROM b\n", "sub/readme": ""})
    repository.tag("v1")
    source = Source(daemon.url(repository.name))

    assert list_refs(OUTBOUND, source, limits())["refs/tags/v1"] == commit
    refs = look.refs(OUTBOUND, source)
    assert (refs.branches, refs.tags, refs.default) == ({"main": commit}, {"v1": commit}, "main")
    with look.files(OUTBOUND, source) as files:
        assert files.dockerfiles() == ["/Dockerfile", "/sub/Dockerfile.dev"]
        assert files.text("/Dockerfile") == "FROM a\n"
    repository.commit({"Dockerfile": "#" * 1024 * 1024 + "\n"})
    with look.files(OUTBOUND, source) as files, pytest.raises(Invalid, match="larger than"):
        files.text("/Dockerfile")
