"""A checkout that is adopted: where its state is, what its process runs, how git moves it."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import differences
from ansible_collections.fraisier.deploy.plugins.module_utils.checkout import (
    KEPT,
    SAVED,
    Checkout,
    find_owner,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import User
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.git_access import Access
from ansible_collections.fraisier.deploy.plugins.module_utils.git_mirror import Mirror
from ansible_collections.fraisier.deploy.plugins.module_utils.releases import (
    IN_PLACE,
    Layout,
    slug,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.switch_note import (
    Switch,
    begin,
    finish,
    read,
    release_at,
    unfinished,
)

ME = pwd.getpwuid(os.geteuid())
OWNER = User(ME.pw_name, ME.pw_uid, ME.pw_gid, ME.pw_dir)


def test_a_checkout_holds_nothing_of_fraisiers() -> None:
    layout = Layout("/opt/my-api", IN_PLACE)
    assert layout.current == "/opt/my-api"
    assert layout.environment == "/var/lib/fraisier/opt-my--api/environment"
    assert layout.pointer == "/var/lib/fraisier/opt-my--api/current"
    assert layout.tree("r") == "/opt/my-api"
    assert layout.folders("r") == ["/var/lib/fraisier/opt-my--api/releases/r"]


def test_releases_keep_their_state_beside_them() -> None:
    layout = Layout("/opt/my-api")
    assert layout.current == layout.pointer == "/opt/my-api/current"
    assert layout.environment == "/opt/my-api/.fraisier/environment"
    assert layout.folders("r") == ["/opt/my-api/releases/r", "/opt/my-api/.fraisier/releases/r"]


def test_no_two_paths_share_their_state() -> None:
    paths = ["/opt/a/b", "/opt/a-b", "/opt/a--b", "/opt/a-/b", "/opt/a/b-", "/opt-a/b", "/opt/a_b"]
    assert len({slug(path) for path in paths}) == len(paths)


@pytest.mark.parametrize(
    ("started", "boot", "done", "found"),
    [
        (50.0, "now", 101.0, "old"),
        (100.5, "now", 101.0, "unknown"),
        (101.0, "now", 101.0, "new"),
        (200.0, "now", 101.0, "new"),
        (50.0, "now", None, "old"),
        (200.0, "now", None, "unknown"),
        (5.0, "later", 101.0, "new"),
        (5.0, "later", None, "unknown"),
    ],
)
def test_a_process_is_of_the_release_whose_files_were_there_when_it_started(
    started: float, boot: str, done: float | None, found: str
) -> None:
    switch = Switch("new", "old", "now", 100.0, done)
    assert release_at(switch, started, boot) == found


def test_a_switch_that_was_cut_short_is_seen(tmp_path: Path) -> None:
    layout = Layout("/opt/my-api", IN_PLACE, str(tmp_path))
    assert not unfinished(layout)
    os.makedirs(layout.state)
    switch = begin(layout, "new", "old")
    assert unfinished(layout)
    finish(layout, switch)
    assert not unfinished(layout)
    seen = read(layout)
    assert seen is not None
    assert (seen.release, seen.before) == ("new", "old")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.invalid")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "x")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, app="one\n")
    return folder


@pytest.fixture
def checkout(origin: Path, tmp_path: Path) -> Checkout:
    git(tmp_path, "clone", "--quiet", str(origin), "checkout")
    return Checkout(str(tmp_path / "checkout"), OWNER, Access(str(origin)))


def test_a_checkout_is_moved_without_moving_a_branch(checkout: Checkout, origin: Path) -> None:
    found = checkout.head()
    newer = commit(origin, app="two\n")
    assert checkout.fetch(newer)
    assert not checkout.fetch(newer)
    folder = Path(checkout.path)
    (folder / "mine").write_text("untracked")
    checkout.move(newer, force=False)
    assert checkout.head() == newer
    assert git(folder, "rev-parse", "main") == found
    assert git(folder, "rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
    assert git(folder, "for-each-ref", "refs/remotes").count("\n") <= 1
    assert (folder / "mine").read_text() == "untracked"


def test_a_commit_that_is_on_no_branch_any_more_is_fetched_by_its_name(
    checkout: Checkout, origin: Path
) -> None:
    lost = commit(origin, app="lost\n")
    git(origin, "reset", "--quiet", "--hard", "HEAD~1")
    assert checkout.fetch(lost)


def test_a_commit_that_the_repository_lacks_is_told(checkout: Checkout) -> None:
    with pytest.raises(Failure) as caught:
        checkout.fetch("f" * 40)
    assert caught.value.code == "version_not_found"


def test_changed_files_are_named_and_untracked_ones_are_not(checkout: Checkout) -> None:
    folder = Path(checkout.path)
    (folder / "mine").write_text("untracked")
    assert checkout.changes() == []
    clean = checkout.fingerprint()
    (folder / "app").write_text("by hand\n")
    assert checkout.changes() == ["app"]
    assert checkout.fingerprint() != clean


def test_a_commit_that_brings_a_file_that_is_there_is_refused(
    checkout: Checkout, origin: Path
) -> None:
    newer = commit(origin, config="theirs", other="a file")
    checkout.fetch(newer)
    checkout.require_movable(newer)
    (Path(checkout.path) / "config").write_text("mine")
    with pytest.raises(Failure) as caught:
        checkout.require_movable(newer)
    assert caught.value.code == "checkout_blocked"
    assert "config" in caught.value.message


def test_not_even_an_ignored_file_is_overwritten(checkout: Checkout, origin: Path) -> None:
    newer = commit(origin, config="theirs")
    checkout.fetch(newer)
    folder = Path(checkout.path)
    (folder / ".git/info/exclude").write_text("config\n")
    (folder / "config").write_text("mine")
    with pytest.raises(Failure) as caught:
        checkout.move(newer, force=False)
    assert caught.value.code == "checkout_failed"
    assert (folder / "config").read_text() == "mine"


def test_what_a_cut_deployment_left_is_kept_before_it_is_overwritten(
    checkout: Checkout, origin: Path
) -> None:
    newer = commit(origin, app="two\n")
    checkout.fetch(newer)
    folder = Path(checkout.path)
    (folder / "app").write_text("half\n")
    (folder / ".git/index.lock").write_text("")  # as a git that was killed leaves it
    with pytest.raises(Failure):
        checkout.move(newer, force=False)
    os.remove(folder / ".git/index.lock")
    assert checkout.save("r1") == SAVED + "r1"
    (folder / ".git/index.lock").write_text("")
    checkout.move(newer, force=True)
    assert (folder / "app").read_text() == "two\n"
    assert git(folder, "show", f"{SAVED}r1:app") == "half"


def test_the_commit_of_a_release_outlives_a_collection(checkout: Checkout, origin: Path) -> None:
    lost = commit(origin, app="lost\n")
    checkout.fetch(lost)
    checkout.keep("r1", lost)
    folder = Path(checkout.path)
    git(origin, "reset", "--quiet", "--hard", "HEAD~1")
    git(folder, "gc", "--quiet", "--prune=now")
    assert checkout.repository.has(lost)
    checkout.forget("r1")
    assert git(folder, "for-each-ref", KEPT) == ""


def test_a_checkout_is_made_where_nothing_is(origin: Path, tmp_path: Path) -> None:
    made = Checkout(str(tmp_path / "deep/new"), OWNER, Access(str(origin)))
    assert (made.head(), made.objects(), made.changes()) == (None, None, [])
    sha = git(origin, "rev-parse", "HEAD")
    made.create(sha)
    assert (made.head(), made.changes()) == (None, [])
    made.fetch(sha)
    made.move(sha, force=False)
    assert made.head() == sha
    assert (tmp_path / "deep/new/app").read_text() == "one\n"


def test_a_folder_that_is_no_checkout_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("x")
    with pytest.raises(Failure) as caught:
        find_owner(str(tmp_path / "data"), OWNER)
    assert caught.value.code == "checkout_missing"
    assert "move it away" in caught.value.hint
    assert find_owner(str(tmp_path / "nothing"), OWNER) is None
    (tmp_path / "empty").mkdir()
    assert find_owner(str(tmp_path / "empty"), OWNER) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_git_never_runs_as_root_in_a_checkout(checkout: Checkout, tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        find_owner(checkout.path, OWNER)
    assert caught.value.code == "checkout_owner"
    nobody = pwd.getpwnam("nobody")
    for path in (tmp_path / "checkout", tmp_path / "checkout/.git"):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    owner = find_owner(checkout.path, OWNER)
    assert owner is not None
    assert owner.name == "nobody"
    os.chown(tmp_path / "checkout/.git", 0, 0)
    with pytest.raises(Failure):
        find_owner(checkout.path, OWNER)


def test_of_a_secret_only_that_it_differs_is_shown() -> None:
    before = 'A="1"\nFRAISIER_RELEASE="x"\nGONE="s3cret-0"\nKEY="s3cret-1"\nSAME="s3cret-2"\n'
    after = {"A": "2", "KEY": "s3cret-3", "SAME": "s3cret-2", "NEW": "s3cret-4"}
    (entry,) = differences.of_environments(before, after, {"A": "1"}, {"A": "2"})
    assert entry["before"] == "A=1\nGONE=(secret)\nKEY=(secret)\nSAME=(secret)\n"
    assert entry["after"] == ("A=2\nKEY=(secret, another value)\nNEW=(secret)\nSAME=(secret)\n")
    assert "s3cret" not in str(entry)


def test_a_variable_that_became_a_secret_shows_the_secret_on_no_side() -> None:
    (entry,) = differences.of_environments('A="plain"\n', {"A": "s3cret"}, {"A": "plain"}, {})
    assert (entry["before"], entry["after"]) == ("A=plain\n", "A=(secret)\n")


def test_the_difference_of_two_commits_is_found_without_touching_the_repository(
    checkout: Checkout, origin: Path
) -> None:
    older, newer = checkout.head(), commit(origin, app="two\n")
    before = sorted(str(path) for path in Path(checkout.path).rglob("*"))
    with differences.borrowed(checkout.objects(), checkout.access, OWNER, newer) as repository:
        repository.fetch(newer)
        (entry,) = differences.of_commits(repository, older, newer)
        (whole,) = differences.of_commits(repository, None, newer)
        assert differences.of_commits(repository, newer, newer) == []
        folder = Path(repository.path)
    assert "-one\n+two\n" in entry["prepared"]
    assert " app | 2 +-" in entry["prepared"]
    assert "+two" not in whole["prepared"]
    assert " app | 1 +" in whole["prepared"]
    assert not folder.exists()
    assert sorted(str(path) for path in Path(checkout.path).rglob("*")) == before
    assert not Mirror(checkout.path, checkout.access).has(newer)


def test_a_long_difference_is_cut_in_its_middle(checkout: Checkout, origin: Path) -> None:
    older = checkout.head()
    newer = commit(origin, big="\n".join(f"line {number}" for number in range(40_000)))
    checkout.fetch(newer)
    (entry,) = differences.of_commits(checkout.repository, older, newer)
    assert len(entry["prepared"]) < 70_000
    assert "bytes left out" in entry["prepared"]
    assert "+line 39999" in entry["prepared"]
