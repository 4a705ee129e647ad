"""Where the code comes from: private repositories, pushed files, submodules and Git LFS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fraisier.lab import LabHost
from support import git_http
from support.git_http import git_server
from support.repository import Repository, git
from support.ssh_git import ssh_git
from support.target import APP_PATH, Target, until

BIN = Path(sys.executable).parent
TOKEN = "a-token-that-must-stay-out-of-everything"


@pytest.fixture
def away(tmp_path: Path) -> Repository:
    """A repository that no host can see: it is on this machine only."""
    return Repository.create(tmp_path / "away", "app", tmp_path / "away-work")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of its own for what is pushed."""
    return tmp_path / "cache"


def use(target: Target, repository: str, cache: Path, auth: object = None, **provider: str) -> None:
    """Let a target take its code from a repository, and remember what is fetched in `cache`."""
    target.git_repo = repository
    target.git_auth = auth
    target.fraisier = replace(target.fraisier, environment={"XDG_CACHE_HOME": str(cache)})
    target.configure(**provider)


def shown_nowhere(target: Target, secret: str, *folders: Path) -> None:
    """Fail where a secret is in a file here, beside the configuration or on a host."""
    for folder in (target.folder, *folders):
        for path in folder.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    for host in target.hosts:
        places = f"{APP_PATH} /etc /root /home /var/log /tmp /dev/shm /run"
        look = f"journalctl --no-pager | grep -c {secret}; grep -rl {secret} {places} 2>/dev/null"
        assert target.inside(host, f"{look} || true") == "0", host.name


def left_behind(target: Target, host: LabHost) -> str:
    """Return the files that Ansible left in the login's folder."""
    return target.inside(host, "find /home/deploy/.ansible/tmp -type f 2>/dev/null || true")


def test_what_is_pushed_is_fetched_once_and_needs_neither_repository_nor_git_on_hosts(
    fleet: Target, away: Repository, cache: Path
) -> None:
    sha = away.commit("good")
    with git_server(away.path.parent, TOKEN) as server:
        token = {"token": {"env": "GIT_TOKEN"}, "username": "deployer"}
        use(fleet, f"{server.url}/app.git", cache, token, source="push")
        for host in fleet.hosts:
            fleet.inside(host, "mv /usr/bin/git /usr/bin/git.away")
        try:
            deployed = fleet.fraisier("-vv", "deploy", "my_api", "production", GIT_TOKEN=TOKEN)
        finally:
            for host in fleet.hosts:
                fleet.inside(host, "mv /usr/bin/git.away /usr/bin/git")
        assert deployed.code == 0, deployed.said
        assert [fleet.served(host) for host in fleet.hosts] == [sha] * 3
        assert server.fetches == 1
        assert server.users == {"deployer"}
        assert server.exposed == []
    assert TOKEN not in deployed.said
    shown_nowhere(fleet, TOKEN, cache)
    for host in fleet.hosts:
        assert left_behind(fleet, host) == ""
        assert fleet.inside(host, f"ls -A {APP_PATH}").split() == [
            ".fraisier", "current", "releases", "shared",
        ]  # fmt: skip


def test_going_back_and_again_needs_no_archive(
    target: Target, away: Repository, cache: Path
) -> None:
    use(target, str(away.path), cache, source="push")
    good = away.commit("good")
    assert target.deploy().code == 0
    away.commit("http500")
    bad = target.deploy()
    assert bad.code == 5, bad.said
    assert target.last()["status"] == "rolled_back"
    assert target.served(target.hosts[0]) == good
    newer = away.commit("good", {"note": "newer"})
    assert target.deploy().code == 0
    assert target.served(target.hosts[0]) == newer
    shutil.rmtree(cache)
    away.path.rename(away.path.with_name("gone.git"))
    back = target.fraisier("rollback", "my_api", "production", "--reason", "newer is worse")
    assert back.code == 0, back.said
    assert target.served(target.hosts[0]) == good
    assert left_behind(target, target.hosts[0]) == ""


def test_a_version_that_cannot_be_fetched_changes_no_host(
    fleet: Target, away: Repository, cache: Path
) -> None:
    use(fleet, str(away.path), cache, source="push")
    away.commit("good")
    refused = fleet.deploy("--version", "a" * 40)
    assert refused.code == 5, refused.said
    assert "version_not_found" in refused.said
    assert fleet.releases(fleet.hosts[0]) == []


def on_host(target: Target, host: LabHost) -> Path:
    """Copy the target's repository to a folder of the host that nothing else has; return it."""
    target.inside(host, f"mkdir -p /srv/git && cp -r {target.repository.path} /srv/git/app.git")
    return Path("/srv/git/app.git")


@pytest.fixture
def http_on_host(target: Target) -> Iterator[None]:
    """Let the host serve its own copy of a repository over http to whoever has the token."""
    script = target.repository.path.parent / "git_http.py"
    shutil.copy(git_http.__file__, script)
    serve = f"systemd-run --quiet --unit=git-http python3 {script} 80 /srv/git /srv/token"
    target.inside(target.hosts[0], f"printf %s {TOKEN} > /srv/token && {serve}")
    yield
    target.inside(target.hosts[0], "systemctl stop git-http; rm -rf /srv/git /srv/token")


def test_a_host_fetches_with_a_token(target: Target, http_on_host: None, cache: Path) -> None:
    sha, host = target.repository.commit("good"), target.hosts[0]
    on_host(target, host)
    url = f"http://{host.address}/app.git"
    use(target, url, cache)
    until(
        lambda: target.inside(host, f"curl -s -o /dev/null {url}/HEAD && echo up || true") == "up"
    )
    refused = target.deploy()
    assert refused.code == 1, refused.said
    assert "git_auth" in refused.said
    use(target, url, cache, {"token": {"file": "token"}})
    (target.folder / "token").write_text(f"{TOKEN}\n")
    deployed = target.deploy()
    (target.folder / "token").unlink()
    assert deployed.code == 0, deployed.said
    assert target.served(host) == sha
    shown = target.fraisier("--json", "events", target.last()["id"])
    assert TOKEN not in shown.out + deployed.said
    shown_nowhere(target, TOKEN)


def test_a_host_fetches_with_a_deploy_key_from_a_server_whose_key_it_knows(
    target: Target, cache: Path, tmp_path: Path
) -> None:
    sha, host, key = target.repository.commit("good"), target.hosts[0], tmp_path / "deploy_key"
    with ssh_git(target, key) as url:
        use(target, url, cache, {"ssh_key": {"file": str(key)}})
        unknown = target.deploy("--version", sha)
        assert unknown.code == 5, unknown.said
        assert "known_hosts" in unknown.said
        scan = f"ssh-keyscan -t ed25519 {host.address} 2>/dev/null >> /root/.ssh/known_hosts"
        target.inside(host, f"mkdir -p -m 700 /root/.ssh && {scan}")
        deployed = target.deploy("--version", sha)
        target.inside(host, "rm /root/.ssh/known_hosts")
    assert deployed.code == 0, deployed.said
    assert target.served(host) == sha
    middle = key.read_text().splitlines()[2]
    assert middle not in target.fraisier("--json", "events", target.last()["id"]).out
    shown_nowhere(target, middle)


@pytest.mark.parametrize("source", ["fetch", "push"])
def test_submodules_are_deployed_at_their_recorded_commits(
    target: Target, cache: Path, source: str, tmp_path: Path
) -> None:
    folder = target.repository.path.parent
    library = Repository.create(folder, "library", tmp_path / "library")
    library.commit("good", {"recorded": "yes"})
    add_submodule(target.repository, "../library.git", "lib/one")
    sha = target.repository.commit("good")
    library.commit("good", {"recorded": "no"})
    use(target, str(target.repository.path), cache, source=source)
    deployed = target.deploy()
    assert deployed.code == 0, deployed.said
    host = target.hosts[0]
    assert target.served(host) == sha
    assert target.inside(host, f"cat {APP_PATH}/current/lib/one/recorded") == "yes"
    assert target.inside(host, f"stat -c %U {APP_PATH}/current/lib/one/recorded") == "app"


def add_submodule(repository: Repository, url: str, path: str) -> None:
    """Add a submodule to the work tree of a repository."""
    git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, path,
        cwd=repository.work,
    )  # fmt: skip


def commit_large_file(repository: Repository) -> str:
    """Commit a version whose file `large.bin` is kept by Git LFS."""
    git("lfs", "install", "--local", cwd=repository.work)
    git("lfs", "track", "*.bin", cwd=repository.work)
    (repository.work / "large.bin").write_bytes(b"really large\n" * 1000)
    return repository.commit("good")


def test_git_lfs_files_are_pushed_with_their_contents(
    target: Target, away: Repository, cache: Path
) -> None:
    sha = commit_large_file(away)
    with git_server(away.path.parent, TOKEN) as server:
        token = {"token": {"env": "GIT_TOKEN"}}
        use(target, f"{server.url}/app.git", cache, token, source="push")
        deployed = target.deploy(GIT_TOKEN=TOKEN)
        assert deployed.code == 0, deployed.said
        assert server.exposed == []
    assert target.served(target.hosts[0]) == sha
    assert target.inside(target.hosts[0], f"wc -c < {APP_PATH}/current/large.bin") == "13000"
    shown_nowhere(target, TOKEN, cache)


def test_git_lfs_files_are_fetched_by_a_host_that_has_git_lfs_and_refused_by_one_without(
    target: Target,
) -> None:
    host = target.hosts[0]
    sha = commit_large_file(target.repository)
    refused = target.deploy()
    assert refused.code == 5, refused.said
    assert "lfs_missing" in refused.said
    assert "large.bin" in refused.said
    assert target.releases(host) == []
    program = target.repository.path.parent / "git-lfs"
    shutil.copy(str(shutil.which("git-lfs")), program)
    target.inside(host, f"cp {program} /usr/bin/git-lfs")
    try:
        deployed = target.deploy()
    finally:
        target.inside(host, "rm /usr/bin/git-lfs")
    assert deployed.code == 0, deployed.said
    assert target.served(host) == sha
    assert target.inside(host, f"wc -c < {APP_PATH}/current/large.bin") == "13000"


def play(target: Target, name: str, *more: str, **environment: str) -> str:
    """Run a playbook of the collection without the control plane; return what it said."""
    names = ("-e", "fraisier_fraise=my_api", "-e", "fraisier_environment=production")
    kept = {name: text for name, text in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [BIN / "ansible-playbook", "-i", "fraises.yaml", f"fraisier.deploy.{name}", *names, *more],
        cwd=target.folder, env={**kept, **target.fraisier.environment, **environment},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_plain_ansible_pushes_what_a_token_opens_and_goes_back_without_either(
    fleet: Target, away: Repository, cache: Path
) -> None:
    with git_server(away.path.parent, TOKEN) as server:
        token = {"token": {"env": "GIT_TOKEN"}}
        use(fleet, f"{server.url}/app.git", cache, token, source="push")
        versions = []
        for number in range(2):
            versions.append(away.commit("good", {"number": str(number)}))
            said = play(fleet, "deploy", "-vvv", GIT_TOKEN=TOKEN)
            assert TOKEN not in said
            assert [fleet.served(host) for host in fleet.hosts] == [versions[-1]] * 3
        assert server.fetches == 2
        assert server.exposed == []
    play(fleet, "rollback")
    assert [fleet.served(host) for host in fleet.hosts] == [versions[0]] * 3
    shown_nowhere(fleet, TOKEN, cache)


def test_a_dry_run_of_what_is_pushed_shows_the_files_and_sends_nothing(
    target: Target, away: Repository, cache: Path
) -> None:
    host = target.hosts[0]
    use(target, str(away.path), cache, source="push")
    good = away.commit("good")
    play(target, "deploy")
    away.commit("good", {"note": "a line that is new"})
    said = play(target, "deploy", "--check", "--diff")
    assert "+a line that is new" in said
    assert target.served(host) == good
    assert len(target.releases(host)) == 1
    assert left_behind(target, host) == ""
