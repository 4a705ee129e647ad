"""Which repositories and versions git may be asked for, and the mirror on a host."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    differences,
    git,
    git_mirror,
    git_tree,
    git_url,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.checkout import Checkout
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import Finished, User
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.git_access import Access
from ansible_collections.fraisier.deploy.plugins.module_utils.site import require_sha
from fraisier.config.schema import GIT_BRANCH

A, B = "a" * 40, "b" * 40


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "tag.gpgSign=false"]
    argv = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    _git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    _commit(folder, "first")
    _git(folder, "tag", "-a", "v1", "-m", "v1")
    return folder


def _commit(folder: Path, text: str) -> str:
    (folder / "file").write_text(text)
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", text)
    return _git(folder, "rev-parse", "HEAD")


def _code(caught: pytest.ExceptionInfo[Failure]) -> str:
    return caught.value.code


@pytest.mark.parametrize(
    "repository",
    [
        "https://git.example.com/a/b.git",
        "ssh://git@git.example.com:2222/a/b.git",
        "https://me:p=ss@wd@git.example.com/a/b.git?x=y",
        "http://git_server/a/b.git",
        "git@git.example.com:a/b.git",
        "/srv/git/a.git",
    ],
)
def test_ordinary_repositories_are_accepted(repository: str) -> None:
    assert git_url.check_repository(repository) is None


@pytest.mark.parametrize(
    "repository",
    [
        "",
        "--upload-pack=touch x",
        "-oProxyCommand=x",
        "ext::sh -c touch% x",
        "ssh://-oProxyCommand=touch x/a",
        "ssh://git@-oProxyCommand=x/a",
        "-x@host:path",
        "ssh://-oProxyCommand=x@host/a",
        "host:-x",
        "file:///srv/git",
        "fd::17",
        "a/b",
        "../b",
        "/srv/../etc",
        "https://example.com/a\nb",
        "https://git.example.com#.helper=!id;/x",
        "https://git.example.com?a=b/x",
        "https://git.example.com\\@evil.example/x",
        "https://git.example.com=x/a",
        "https://git.example.com#@evil.example/a",
    ],
)
def test_repositories_that_git_could_take_for_more_are_refused(repository: str) -> None:
    assert git_url.check_repository(repository) is not None


NAMES = (
    "main", "feature/x-1", "v1.2.0", A, "release@2", "refs/heads/main", "42-don't-x", "feat(x)",
    "a=b", "a,b", "a;id", "$(id)", "`id`", "{%x%}", 'a"b', "a&b", "a|b", "<a>", "a!b", "100%",
    "größe/名前", "_x", "+x", "#12", "'", "@x", "x@", "a.lock.b", "a{b}", "a@{b", "@{-1}",
    "@", "", "-x", "--upload-pack=x", "{{ 7*7 }}", "refs/../x", "a..b", "a b", "a\nb", "main\n",
    "a\tb", "a\x7f",
    "a:b", "a~1", "a^", "a*", "a?", "a[b", "a\\b", "x.lock", "x.lock/y", "a//b", "/a", "a/", "a.",
    ".a", "a/.b", "a./b",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_branch_is_a_name_that_git_allows(name: str) -> None:
    """Of `git check-ref-format --branch` alone is what begins with a hyphen, and `@`."""
    argv = ["git", "check-ref-format", f"refs/heads/{name}"]
    by_git = subprocess.run(argv, check=False).returncode == 0
    expected = by_git and name != "@" and not name.startswith("-")
    assert (git_url.check_version(name) is None) == expected
    assert bool(re.search(GIT_BRANCH, name) and not name.endswith("\n")) == expected


def test_a_name_is_no_longer_than_the_records_have_room_for() -> None:
    assert git_url.check_version("a" * 255) is None
    assert git_url.check_version("a" * 256) is not None


def test_local_repositories_alone_may_use_the_file_protocol() -> None:
    assert git.environment(Access("/srv/git/a.git"))["GIT_ALLOW_PROTOCOL"] == "file"
    assert "file" not in git.environment(Access("https://x/a"))["GIT_ALLOW_PROTOCOL"]
    assert git.environment(Access("https://x/a"))["GIT_TERMINAL_PROMPT"] == "0"


def test_credentials_in_a_url_are_not_shown() -> None:
    finished = Finished(128, "fatal: unable to access 'https://me:hunter2@x.example/a': no\n")
    failure = git.unreachable("https://me:hunter2@x.example/a", finished)
    shown = failure.message + failure.text + failure.hint
    assert "hunter2" not in shown
    assert "x.example" in shown


def test_a_branch_whose_name_ends_a_line_for_python_is_no_other_branch() -> None:
    """git allows U+2028 in names, and what stands behind it is not a line of its own."""
    evil = f"{'b' * 40}\trefs/heads/x\u2028{'c' * 40}\trefs/heads/main"
    refs = git.parse_ls_remote(f"{'a' * 40}\trefs/heads/main\n{evil}\n")
    assert refs["refs/heads/main"] == "a" * 40
    assert len(refs) == 2


def test_half_a_character_is_no_name() -> None:
    assert git_url.check_version("a\ud800") is not None


def test_an_annotated_tag_means_the_commit_it_points_at() -> None:
    text = f"warning: something\n{A}\trefs/tags/v1\n{B}\trefs/tags/v1^{{}}\n"
    assert git.parse_ls_remote(text) == {"refs/tags/v1": B}


def test_a_name_of_both_a_branch_and_a_tag_is_ambiguous_unless_they_agree() -> None:
    refs = {"refs/heads/x": A, "refs/tags/x": B}
    with pytest.raises(Failure) as caught:
        git.pick("x", refs, "/r")
    assert _code(caught) == "version_ambiguous"
    assert git.pick("x", {"refs/heads/x": A, "refs/tags/x": A}, "/r") == A


def test_branches_tags_and_commits_are_resolved_by_the_repository(origin: Path) -> None:
    first = _git(origin, "rev-parse", "HEAD")
    second = _commit(origin, "second")
    assert git.resolve(Access(str(origin)), "main") == second
    assert git.resolve(Access(str(origin)), "refs/heads/main") == second
    assert git.resolve(Access(str(origin)), "v1") == first
    assert git.resolve(Access(str(origin)), A) == A


def test_a_branch_that_only_ends_in_the_name_is_another_one(origin: Path) -> None:
    """What is missing comes with what there is."""
    _git(origin, "branch", "feature/login")
    with pytest.raises(Failure, match=r"its branches: feature/login, main$") as caught:
        git.resolve(Access(str(origin)), "login")
    assert _code(caught) == "version_not_found"
    first = _git(origin, "rev-parse", "main")
    _git(origin, "update-ref", "refs/mirrored/refs/heads/main", first)
    second = _commit(origin, "second")
    assert git.resolve(Access(str(origin)), "main") == second, "git matches ends of refs"


def test_of_many_branches_the_closest_are_named() -> None:
    names = [f"release/{number}" for number in range(40)]
    said = git.not_found("relese/7", "/r", names).message
    assert "release/7" in said
    assert "and 30 more" in said


def test_a_repository_with_sha_256_is_mirrored_and_unpacked(tmp_path: Path, origin: Path) -> None:
    """Also one that was converted while a mirror with SHA-1 was here."""
    mirror, access = _mirror(tmp_path, origin), Access(str(origin))
    mirror.fetch(_git(origin, "rev-parse", "main"))
    origin.rename(tmp_path / "before")
    origin.mkdir()
    _git(origin, "init", "--quiet", "--initial-branch=feat(x)", "--object-format=sha256")
    first, second = _commit(origin, "first"), _commit(origin, "second")
    assert git.resolve(access, "feat(x)") == second
    assert git.resolve(access, second) == second
    assert mirror.fetch(first)
    assert not mirror.fetch(second)
    tree = tmp_path / "tree"
    tree.mkdir()
    git_tree.unpack(git_tree.fetch(mirror, second), str(tree), _me())
    assert (tree / "file").read_text() == "second"
    with differences.borrowed(f"{mirror.path}/objects", access, None, second) as borrowed:
        borrowed.fetch(second)
        (whole,) = differences.of_commits(borrowed, None, second)
        (step,) = differences.of_commits(borrowed, first, second)
    assert "file" in whole["prepared"]
    assert "-first" in step["prepared"]
    require_sha(second)
    with pytest.raises(Failure):
        require_sha(second[:50])
    checkout = Checkout(str(tmp_path / "checkout"), _me(), access)
    checkout.create(first)
    checkout.fetch(first)
    checkout.require_movable(first)
    checkout.move(first, force=False)
    assert checkout.head() == first


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("nope", "version_not_found"),
        ("--upload-pack=touch pwned", "version_invalid"),
        ("{{ 7*7 }}", "version_invalid"),
        ("$(touch pwned)", "version_invalid"),
        ("`id`;{%x%}", "version_not_found"),
    ],
)
def test_a_version_that_is_not_there_is_refused(origin: Path, version: str, code: str) -> None:
    with pytest.raises(Failure) as caught:
        git.resolve(Access(str(origin)), version)
    assert _code(caught) == code


def test_a_repository_that_is_an_option_is_never_run(tmp_path: Path) -> None:
    """S7."""
    mark = tmp_path / "ran"
    with pytest.raises(Failure) as caught:
        git.resolve(Access(f"--upload-pack=touch {mark}"), "main")
    assert _code(caught) == "repository_invalid"
    assert not mark.exists()


def test_a_repository_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="does not appear to be a git repository") as caught:
        git.resolve(Access(str(tmp_path / "nope")), "main")
    assert _code(caught) == "repository_unreachable"


def _mirror(tmp_path: Path, origin: Path) -> git_mirror.Mirror:
    return git_mirror.Mirror(str(tmp_path / "mirror"), Access(str(origin)))


def test_the_mirror_fetches_a_commit_once(tmp_path: Path, origin: Path) -> None:
    sha, mirror = _commit(origin, "second"), _mirror(tmp_path, origin)
    assert mirror.fetch(sha)
    assert os.stat(mirror.path).st_mode & 0o777 == 0o700
    origin.rename(tmp_path / "gone")
    assert not mirror.fetch(sha)


def test_the_mirror_follows_forced_and_deleted_branches(tmp_path: Path, origin: Path) -> None:
    mirror = _mirror(tmp_path, origin)
    _git(origin, "branch", "old")
    mirror.fetch(_commit(origin, "second"))
    _git(origin, "branch", "--delete", "--force", "old")
    _git(origin, "reset", "--quiet", "--hard", "v1")
    assert mirror.fetch(_commit(origin, "other second"))
    assert _git(Path(mirror.path), "branch", "--list", "old") == ""


def test_a_commit_that_the_repository_lacks_is_not_found(tmp_path: Path, origin: Path) -> None:
    with pytest.raises(Failure) as caught:
        _mirror(tmp_path, origin).fetch(A)
    assert _code(caught) == "version_not_found"


def _me() -> User:
    entry = pwd.getpwuid(os.geteuid())
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def test_a_commit_is_unpacked_with_its_modes(
    tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha, mirror = _git(origin, "rev-parse", "HEAD"), _mirror(tmp_path, origin)
    tree = tmp_path / "tree"
    tree.mkdir()
    _git(origin, "config", "--file", f"{tmp_path}/gitconfig", "tar.umask", "0077")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "gitconfig").rename(tmp_path / ".gitconfig")
    before = os.umask(0o077)
    try:
        git_tree.unpack(git_tree.fetch(mirror, sha), str(tree), _me())
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tree.iterdir()}
    assert modes == {"file": 0o644, "run": 0o755}, "those of git, not of this machine"


def test_hooks_in_the_mirror_are_never_run(tmp_path: Path, origin: Path) -> None:
    """S7."""
    mirror, mark = _mirror(tmp_path, origin), tmp_path / "ran"
    mirror.fetch(_git(origin, "rev-parse", "HEAD"))
    for name in ("reference-transaction", "post-update"):
        hook = Path(mirror.path, "hooks", name)
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
    mirror.fetch(_commit(origin, "second"))
    assert not mark.exists()
