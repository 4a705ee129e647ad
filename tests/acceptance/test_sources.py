"""Where the code comes from: private repositories, pushed files, submodules and Git LFS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
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


@pytest.mark.cpu_seconds(40, reason="pushes to two hosts, three times")
def test_what_is_pushed_is_fetched_once_and_needs_neither_repository_nor_git_on_hosts(
    make_target: Callable[[int], Target], away: Repository, cache: Path
) -> None:
    """One of its files is kept by Git LFS, which the token has to open as well."""
    pair = make_target(2)
    good = commit_large_file(away)
    with git_server(away.path.parent, TOKEN) as server:
        token = {"token": {"env": "GIT_TOKEN"}, "username": "deployer"}
        use(pair, f"{server.url}/app.git", cache, token, source="push")
        deployed = push_without_git_on_hosts(pair)
        assert [pair.served(host) for host in pair.hosts] == [good] * 2
        assert server.fetches == 1
        assert server.users == {"deployer"}
        missing = pair.deploy("--version", "a" * 40, GIT_TOKEN=TOKEN)
        assert missing.code == 5, missing.said
        assert "version_not_found" in missing.said
        newer = away.commit("good", {"note": "a line that is new"})
        planned = pair.fraisier("plan", "my_api", "production", GIT_TOKEN=TOKEN)
        assert "+a line that is new" in planned.out, planned.said
        assert [len(pair.releases(host)) for host in pair.hosts] == [1, 1], "nothing was sent"
        assert [left_behind(pair, host) for host in pair.hosts] == ["", ""]
        assert pair.deploy(GIT_TOKEN=TOKEN).code == 0
        assert [pair.served(host) for host in pair.hosts] == [newer] * 2
        assert server.exposed == []
    shown_nowhere(pair, TOKEN, cache)
    assert TOKEN not in deployed
    for host in pair.hosts:
        assert left_behind(pair, host) == ""
        assert len(pair.releases(host)) == 2, "the version that is missing left nothing"
        assert pair.inside(host, f"ls -A {APP_PATH}").split() == [
            ".fraisier", "current", "releases", "shared",
        ]  # fmt: skip
    go_back_without_an_archive(pair, good, away, cache)


def push_without_git_on_hosts(pair: Target) -> str:
    """Deploy to hosts on which there is no git; return what was said."""
    for host in pair.hosts:
        pair.inside(host, "mv /usr/bin/git /usr/bin/git.away")
    try:
        deployed = pair.fraisier("-vv", "deploy", "my_api", "production", GIT_TOKEN=TOKEN)
    finally:
        for host in pair.hosts:
            pair.inside(host, "mv /usr/bin/git.away /usr/bin/git")
    assert deployed.code == 0, deployed.said
    for host in pair.hosts:
        assert pair.inside(host, f"wc -c < {APP_PATH}/current/large.bin") == "13000"
    return deployed.said


def go_back_without_an_archive(pair: Target, good: str, away: Repository, cache: Path) -> None:
    """Roll back when neither the server, nor the repository, nor what was fetched is there."""
    shutil.rmtree(cache)
    away.path.rename(away.path.with_name("gone.git"))
    back = pair.fraisier("rollback", "my_api", "production", "--reason", "newer is worse")
    assert back.code == 0, back.said
    assert [pair.served(host) for host in pair.hosts] == [good] * 2
    assert left_behind(pair, pair.hosts[0]) == ""


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


def test_submodules_and_git_lfs_files_are_fetched_by_a_host_or_pushed_to_it(
    target: Target, cache: Path, tmp_path: Path
) -> None:
    library = Repository.create(target.repository.path.parent, "library", tmp_path / "library")
    library.commit("good", {"recorded": "yes"})
    add_submodule(target.repository, "../library.git", "lib/one")
    fetched = commit_large_file(target.repository)
    library.commit("good", {"recorded": "no"})
    host = target.hosts[0]
    refused = target.deploy()
    assert refused.code == 5, refused.said
    assert "lfs_missing" in refused.said
    assert "large.bin" in refused.said
    assert target.releases(host) == []
    program = target.repository.path.parent / "git-lfs"
    shutil.copy(str(shutil.which("git-lfs")), program)
    target.inside(host, f"cp {program} /usr/bin/git-lfs")
    try:
        require_whole(target, fetched)
    finally:
        target.inside(host, "rm /usr/bin/git-lfs")
    use(target, str(target.repository.path), cache, source="push")
    require_whole(target, target.repository.commit("good", {"note": "pushed"}))


def require_whole(target: Target, version: str) -> None:
    """Deploy a version: its submodule must be at the recorded commit, its large file whole."""
    host = target.hosts[0]
    deployed = target.deploy()
    assert deployed.code == 0, deployed.said
    assert target.served(host) == version
    assert target.inside(host, f"cat {APP_PATH}/current/lib/one/recorded") == "yes"
    assert target.inside(host, f"stat -c %U {APP_PATH}/current/lib/one/recorded") == "app"
    assert target.inside(host, f"wc -c < {APP_PATH}/current/large.bin") == "13000"


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


@pytest.mark.slow
def test_plain_ansible_pushes_what_a_token_opens_and_goes_back_without_either(
    target: Target, away: Repository, cache: Path
) -> None:
    host = target.hosts[0]
    with git_server(away.path.parent, TOKEN) as server:
        token = {"token": {"env": "GIT_TOKEN"}}
        use(target, f"{server.url}/app.git", cache, token, source="push")
        versions = []
        for number in range(2):
            versions.append(away.commit("good", {"number": str(number)}))
            said = play(target, "deploy", "-vvv", GIT_TOKEN=TOKEN)
            assert TOKEN not in said
            assert target.served(host) == versions[-1]
        assert server.fetches == 2
        away.commit("good", {"note": "a line that is new"})
        said = play(target, "deploy", "--check", "--diff", GIT_TOKEN=TOKEN)
        assert "+a line that is new" in said
        assert target.served(host) == versions[-1]
        assert len(target.releases(host)) == 2
        assert server.exposed == []
    play(target, "rollback")
    assert target.served(host) == versions[0]
    assert left_behind(target, host) == ""
    shown_nowhere(target, TOKEN, cache)
