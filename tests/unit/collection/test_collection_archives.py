"""Archives on the controller: made once, kept in bounds, readable by their owner alone."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import git_tree
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.git_access import Access
from ansible_collections.fraisier.deploy.plugins.module_utils.state_folders import make_own
from ansible_collections.fraisier.deploy.plugins.plugin_utils import archives
from ansible_collections.fraisier.deploy.plugins.plugin_utils.archives import Archives


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    path = tmp_path / "app"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    return path


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    argv = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, text: str) -> str:
    (folder / "file").write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", text)
    return git(folder, "rev-parse", "HEAD")


def age(path: str | Path, seconds: float) -> None:
    before = time.time() - seconds
    os.utime(path, (before, before))


def test_the_cache_is_where_such_things_belong() -> None:
    assert archives.cache_folder({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == "/c/fraisier"
    assert archives.cache_folder({"HOME": "/h"}) == "/h/.cache/fraisier"


def test_many_that_want_a_commit_at_once_fetch_it_once(
    tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha, fetched = commit(origin, "one"), []
    real = git_tree.fetch
    monkeypatch.setattr(
        git_tree, "fetch", lambda mirror, sha: fetched.append(sha) or real(mirror, sha)
    )
    with ThreadPoolExecutor(4) as pool:
        cache = str(tmp_path / "cache")
        paths = list(
            pool.map(lambda _: Archives(cache).archive(Access(str(origin)), sha), range(4))
        )
    assert len(set(paths)) == 1
    assert fetched == [sha]
    for folder, _, names in os.walk(tmp_path / "cache"):
        for name in names if folder.endswith("archives") else ():
            assert os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0
    assert os.stat(tmp_path / "cache").st_mode & 0o077 == 0


def test_old_archives_go_and_those_of_the_last_hour_stay(tmp_path: Path, origin: Path) -> None:
    cache, access = Archives(str(tmp_path / "cache")), Access(str(origin))
    old = [cache.archive(access, commit(origin, f"old {n}")) for n in range(5)]
    assert all(map(os.path.exists, old)), "another run may be sending them"
    for path in old:
        age(path, 2 * archives.HOUR)
    new = cache.archive(access, commit(origin, "new"))
    left = sorted(os.listdir(os.path.dirname(new)))
    assert len(left) == archives.KEPT
    assert os.path.basename(new) in left


def test_a_repository_that_is_not_used_for_a_month_is_forgotten(
    tmp_path: Path, origin: Path
) -> None:
    cache = Archives(str(tmp_path / "cache"))
    unused = cache.archive(Access(str(origin)), commit(origin, "one"))
    age(next((tmp_path / "cache").glob("*.lock")), 2 * archives.MONTH)
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(origin), str(other))
    used = cache.archive(Access(str(other)), commit(other, "two"))
    assert not os.path.exists(unused)
    assert os.path.exists(used)


def test_what_could_not_be_made_leaves_nothing_behind(
    tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = commit(origin, "one")

    def full(*_: object) -> None:
        raise Failure("disk_full", "the disk is full")

    monkeypatch.setattr(git_tree, "write", full)
    with pytest.raises(Failure):
        Archives(str(tmp_path / "cache")).archive(Access(str(origin)), sha)
    monkeypatch.undo()
    assert not list((tmp_path / "cache").rglob("archives/*"))
    assert os.path.exists(Archives(str(tmp_path / "cache")).archive(Access(str(origin)), sha))


def test_an_archive_that_another_account_may_have_put_there_is_made_anew(
    tmp_path: Path, origin: Path
) -> None:
    cache, sha = Archives(str(tmp_path / "cache")), commit(origin, "one")
    path = Path(cache.archive(Access(str(origin)), sha))
    whole = path.read_bytes()
    path.write_bytes(b"theirs")
    path.chmod(0o666)
    assert Path(cache.archive(Access(str(origin)), sha)).read_bytes() == whole
    path.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    path.symlink_to(tmp_path / "elsewhere")
    assert Path(cache.archive(Access(str(origin)), sha)).read_bytes() == whole


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("theirs", ["", "*", "*/archives", "*/mirror"])
def test_a_cache_folder_of_another_account_is_refused(
    tmp_path: Path, origin: Path, theirs: str
) -> None:
    cache, sha = Archives(str(tmp_path / "cache")), commit(origin, "one")
    cache.archive(Access(str(origin)), sha)
    folder = tmp_path / "cache"
    (found,) = [path for path in folder.glob(theirs) if path.is_dir()] if theirs else [folder]
    os.chown(found, 12345, 12345)
    with pytest.raises(Failure) as caught:
        cache.archive(Access(str(origin)), sha)
    assert caught.value.code == "state_unsafe"
    assert str(found) in caught.value.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_an_archive_of_another_account_is_made_anew(tmp_path: Path, origin: Path) -> None:
    cache, sha = Archives(str(tmp_path / "cache")), commit(origin, "one")
    path = Path(cache.archive(Access(str(origin)), sha))
    path.write_bytes(b"theirs")
    os.chown(path, 12345, 12345)
    assert Path(cache.archive(Access(str(origin)), sha)).read_bytes() != b"theirs"


def test_a_folder_in_which_others_may_write_is_not_the_cache(tmp_path: Path) -> None:
    environ, other = {"XDG_CACHE_HOME": str(tmp_path / "shared")}, str(tmp_path / "run")
    folder = archives.cache_folder(environ)
    assert archives.usable_folder(environ, other) == (folder, None)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    found, problem = archives.usable_folder(environ, other)
    assert found == other
    assert str(tmp_path / "shared") in (problem or "")
    (tmp_path / "shared").chmod(0o700)
    os.makedirs(folder, 0o700)
    assert archives.usable_folder(environ, other) == (folder, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_in_the_home_of_another_does_not_use_their_cache(tmp_path: Path) -> None:
    home = tmp_path / "alice"
    (home / ".cache/fraisier").mkdir(parents=True, mode=0o700)
    for path in (home, home / ".cache", home / ".cache/fraisier"):
        os.chown(path, 12345, 12345)
    folder, problem = archives.usable_folder({"HOME": str(home)}, "/run/of/mine")
    assert (folder, bool(problem)) == ("/run/of/mine", True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_records_of_another_account_are_not_trusted(tmp_path: Path) -> None:
    make_own(str(tmp_path / "state"), str(tmp_path / "state/releases"))
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    (tmp_path / "state").chmod(0o777)
    make_own(str(tmp_path / "state"))
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    os.chown(tmp_path / "state/releases", 12345, 12345)
    with pytest.raises(Failure) as caught:
        make_own(str(tmp_path / "state"), str(tmp_path / "state/releases"))
    assert caught.value.code == "state_unsafe"
    assert "chown -R" in caught.value.hint
