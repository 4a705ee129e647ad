"""What opens a repository is shown to its own server, and is nowhere else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import git, git_access, git_url
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import Finished
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.git_access import Access
from support.git_http import git_server

URL = "https://git.example.com:8443/org/app.git"
TOKEN = "a-token-not-to-be-seen"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("repository", "server"),
    [
        ("https://git.example.com/a", ("https", "git.example.com", 443)),
        ("https://git.example.com:8443/a", ("https", "git.example.com", 8443)),
        ("ssh://git@git.example.com:2222/a", ("ssh", "git.example.com", 2222)),
        ("git@Git.example.com:a/b", ("ssh", "git.example.com", 22)),
        ("/srv/git/a", None),
    ],
)
def test_a_repository_is_asked_at_its_server(
    repository: str, server: tuple[str, str, int] | None
) -> None:
    assert git_url.server(repository) == server


@pytest.mark.parametrize(
    ("other", "trusted"),
    [
        ("https://git.example.com:8443/org/lib.git", True),
        ("https://git.example.com/org/lib.git", False),
        ("http://git.example.com:8443/org/lib.git", False),
        ("https://evil.example.com:8443/org/lib.git", False),
        ("ssh://git.example.com:8443/org/lib.git", False),
        ("/srv/git/lib.git", False),
    ],
)
def test_credentials_go_along_to_the_same_server_only(other: str, trusted: bool) -> None:
    found = Access(URL, "me", TOKEN).to(other)
    assert found.repository == other
    assert (found.token == TOKEN) is trusted


def test_a_token_is_in_no_argument_and_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    access = Access(URL, "me", TOKEN)
    assert TOKEN not in " ".join(access.options()) + repr(access)
    assert access.environment()["CREDENTIAL_PASSWORD"] == TOKEN
    assert Access(URL).options() == ()


@pytest.mark.parametrize(
    "access",
    [
        Access("http://git.example.com/a", token=TOKEN),
        Access("git@git.example.com:a", token=TOKEN),
        Access("/srv/git/a", token=TOKEN),
        Access(URL, token=f"{TOKEN}\nhost=evil"),
        Access(URL, "me\nhost=evil", TOKEN),
        Access(URL, ssh_key=KEY),
        Access("git@git.example.com:a", ssh_key="/home/me/.ssh/id_ed25519"),
    ],
)
def test_credentials_that_do_not_fit_are_refused_before_git_runs(access: Access) -> None:
    with pytest.raises(Failure) as caught:
        git.git("ls-remote", access=access)
    assert caught.value.code == "git_auth_invalid"
    assert TOKEN not in caught.value.message


def test_a_token_may_be_sent_over_http_within_this_machine() -> None:
    Access("http://127.0.0.1:9000/a", token=TOKEN).require_usable()


def test_ssh_reads_the_key_from_memory_and_uses_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    program = tmp_path / "ssh"
    program.write_text(
        f'#!/bin/sh\nfor word; do last2=$last1; last1=$word; [ "$last2" = -i ] && key=$word; done\n'
        f'echo "$@" > {seen}; stat -L -c %a "$key" >> {seen}; cat "$key" >> {seen}; exit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    access = Access("git@git.example.com:a", ssh_key=KEY.replace("\n", "\r\n"))
    assert git.git("ls-remote", "--", access.repository, access=access).code == 128
    arguments, mode, *key = seen.read_text().splitlines()
    assert "IdentitiesOnly=yes" in arguments
    assert "StrictHostKeyChecking=yes" in arguments
    assert mode == "600"
    assert key == KEY.splitlines()
    assert not [name for name in os.listdir("/proc/self/fd") if _is_key(name)]


def _is_key(descriptor: str) -> bool:
    try:
        return "memfd:key" in os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:
        return False


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    path = tmp_path / "git" / "app.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(path)], check=True)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    tree = subprocess.run(
        ["git", "-C", str(path), "write-tree"], check=True, capture_output=True, text=True
    ).stdout.strip()
    sha = subprocess.run(
        ["git", *identity, "-C", str(path), "commit-tree", tree, "-m", "x"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    subprocess.run(["git", "-C", str(path), "branch", "main", sha], check=True)
    return path


def test_a_server_that_asks_gets_the_token_and_the_user_name(origin: Path) -> None:
    with git_server(origin.parent, TOKEN) as server:
        url = f"{server.url}/app.git"
        with pytest.raises(Failure) as caught:
            git.resolve(Access(url), "main")
        assert caught.value.code == "repository_denied"
        assert "git_auth" in caught.value.hint
        with pytest.raises(Failure) as caught:
            git.resolve(Access(url, token="another"), "main")
        assert caught.value.code == "repository_denied"
        assert len(git.resolve(Access(url, "deployer", TOKEN), "main")) == 40
        assert server.users == {"deployer"}
        assert server.exposed == []


def test_a_redirect_to_another_server_does_not_take_the_token_along(origin: Path) -> None:
    with git_server(origin.parent, TOKEN) as other, git_server(origin.parent, TOKEN) as first:
        first.redirect = other.url
        with pytest.raises(Failure) as caught:
            git.resolve(Access(f"{first.url}/app.git", "deployer", TOKEN), "main")
        assert caught.value.code == "repository_denied"
        assert other.users == set()


@pytest.mark.parametrize(
    ("said", "code", "helpful"),
    [
        ("Host key verification failed.\nfatal: x", "repository_unreachable", "known_hosts"),
        ("git@x: Permission denied (publickey).\nfatal: x", "repository_denied", "deploy key"),
        ("fatal: Authentication failed for 'https://x'", "repository_denied", "git_auth"),
        ("fatal: The requested URL returned error: 403", "repository_denied", "git_auth"),
        ("fatal: unable to access: Could not resolve host", "repository_unreachable", "git_repo"),
    ],
)
def test_what_git_says_is_told_with_what_helps(said: str, code: str, helpful: str) -> None:
    failure = git.unreachable("https://x/a", Finished(128, said))
    assert failure.code == code
    assert helpful in failure.hint
    assert "fatal: x" not in failure.message


def test_options_of_a_module_become_an_access() -> None:
    assert git_access.from_options(URL, None, {"token": "t"}) == Access(URL, token="t")
    assert git_access.from_options(URL, "me", {}) == Access(URL, "me")
    assert git_access.from_options("git@x:a", None, {"ssh_key": KEY}).ssh_key == KEY
