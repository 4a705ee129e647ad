"""This machine and a git server over SSH: a deploy key, an agent, and a server's key."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import git, git_access, git_tree
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import find_user
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.git_access import Access
from ansible_collections.fraisier.deploy.plugins.module_utils.git_mirror import Mirror
from fraisier.lab import LabHost
from support.ssh_git import ssh_git
from support.target import Target


@dataclass
class Server:
    """A lab host that serves `url` to whoever has `key`; `version` is its newest commit."""

    host: LabHost
    url: str
    key: Path
    version: str


@pytest.fixture
def server(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve a repository over SSH; ssh here knows the keys of the lab's hosts, and no others."""
    version = target.repository.commit("good")
    known = shutil.copy(target.lab.known_hosts, tmp_path)  # the lab's folder is open to nobody else
    options = f"{git_access._SSH} -o UserKnownHostsFile={known}"
    monkeypatch.setattr(git_access, "_SSH", options)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with ssh_git(target, tmp_path / "key") as url:
        yield Server(target.hosts[0], url, tmp_path / "key", version)


def test_a_deploy_key_opens_the_repository_and_leaves_no_trace(server: Server) -> None:
    with pytest.raises(Failure) as caught:
        git.resolve(Access(server.url), "main")
    assert caught.value.code == "repository_denied"
    access = Access(server.url, ssh_key=server.key.read_text())
    assert git.resolve(access, "main") == server.version
    assert not list(Path("/proc/self/fd").glob("*key*"))


def test_a_key_of_the_agent_is_used_where_git_auth_is_not_given(
    server: Server, agent: Callable[[Path], None]
) -> None:
    agent(server.key)
    assert git.resolve(Access(server.url), "main") == server.version


def test_where_a_key_is_given_the_agent_is_not_asked(
    server: Server, agent: Callable[[Path], None], tmp_path: Path
) -> None:
    agent(server.key)
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    with pytest.raises(Failure) as caught:
        git.resolve(Access(server.url, ssh_key=other.read_text()), "main")
    assert caught.value.code == "repository_denied"


def test_another_account_fetches_with_the_key_and_cannot_keep_it(
    server: Server, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may run git as another account")
    nobody = find_user("nobody")
    tmp_path.chmod(0o711)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, nobody.uid, nobody.gid)
    access = Access(server.url, ssh_key=server.key.read_text())
    mirror = Mirror(str(folder), access, nobody)
    (part,) = git_tree.fetch(mirror, server.version)
    assert part.fetched
    assert {path.stat().st_uid for path in folder.rglob("*")} == {nobody.uid}
    middle = server.key.read_bytes().splitlines()[2]
    assert not [p for p in folder.rglob("*") if p.is_file() and middle in p.read_bytes()]


def test_a_server_whose_key_is_not_known_is_refused_with_what_to_do(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = f"{git_access._SSH.partition(' -o UserKnown')[0]} -o UserKnownHostsFile=/dev/null"
    monkeypatch.setattr(git_access, "_SSH", unknown)
    with pytest.raises(Failure) as caught:
        git.resolve(Access(server.url, ssh_key=server.key.read_text()), "main")
    assert caught.value.code == "repository_unreachable"
    assert "known_hosts" in caught.value.hint


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Return a function that starts an SSH agent of this test's own with a key."""
    started: list[int] = []

    def start(key: Path) -> None:
        said = subprocess.run(["ssh-agent", "-s"], check=True, capture_output=True, text=True)
        values = dict(part.split("=", 1) for part in said.stdout.split(";") if "=" in part)
        found = {name.strip(): value for name, value in values.items()}
        started.append(int(found["SSH_AGENT_PID"]))
        monkeypatch.setenv("SSH_AUTH_SOCK", found["SSH_AUTH_SOCK"])
        subprocess.run(["ssh-add", "-q", str(key)], check=True)

    yield start
    for pid in started:
        os.kill(pid, signal.SIGTERM)
