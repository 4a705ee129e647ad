"""The whole of a commit: submodules, Git LFS, and the archive that is pushed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    git,
    git_lfs,
    git_submodules,
    git_tree,
    source,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.checkout import Checkout
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import Finished, User
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.git_access import Access
from ansible_collections.fraisier.deploy.plugins.module_utils.git_mirror import Mirror

needs_lfs = pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 7\n"


def run(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    argv = ["git", *identity, "-c", "protocol.file.allow=always", "-C", str(folder), *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def repository(folder: Path, **files: str) -> str:
    """Make a repository with a commit of these files; return the commit."""
    folder.mkdir()
    run(folder, "init", "--quiet", "--initial-branch=main")
    return commit(folder, **files)


def commit(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    run(folder, "add", "--all")
    run(folder, "commit", "--quiet", "--message", "more")
    return run(folder, "rev-parse", "HEAD")


def me() -> User:
    entry = pwd.getpwuid(os.geteuid())
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def mirror(tmp_path: Path, origin: Path) -> Mirror:
    return Mirror(str(tmp_path / "mirror"), Access(str(origin)))


def unpacked(tmp_path: Path, parts: list[git_tree.Part]) -> dict[str, str]:
    """Unpack parts in both ways, which must give the same files; return those by path."""
    found = []
    for name in ("fetched", "pushed"):
        (tmp_path / name).mkdir()
    git_tree.unpack(parts, str(tmp_path / "fetched"), me())
    with open(tmp_path / "archive", "wb") as file:
        git_tree.write(parts, file)
    pushed = source.Source(
        Access(""), True, str(tmp_path / "archive"), source.checksum(str(tmp_path / "archive"))
    )
    pushed.unpack([], "", str(tmp_path / "pushed"), me())
    for name in ("fetched", "pushed"):
        top = tmp_path / name
        files = {str(p.relative_to(top)): p.read_text() for p in top.rglob("*") if p.is_file()}
        found.append(files)
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    ("parent", "url", "meant"),
    [
        ("https://x.example/org/app.git", "../lib.git", "https://x.example/org/lib.git"),
        ("https://x.example/org/app.git", "./lib.git", "https://x.example/org/app.git/lib.git"),
        ("https://x.example/org/app", "../../other/lib", "https://x.example/other/lib"),
        ("ssh://git@x.example:2222/org/app.git", "../lib", "ssh://git@x.example:2222/org/lib"),
        ("git@x.example:org/app.git", "../lib.git", "git@x.example:org/lib.git"),
        ("git@x.example:org/app.git", "../../other/lib.git", "git@x.example:other/lib.git"),
        ("/srv/git/app.git", "../lib.git", "/srv/git/lib.git"),
        ("/srv/a:b/app.git", "../lib.git", "/srv/a:b/lib.git"),
        ("/srv/git/app.git", "https://x.example/lib.git", "https://x.example/lib.git"),
        ("https://x.example/a", "git@y.example:lib.git", "git@y.example:lib.git"),
    ],
)
def test_the_url_of_a_submodule_starts_from_its_parents(parent: str, url: str, meant: str) -> None:
    assert git_submodules.submodule_url(parent, "lib", url) == meant


@pytest.mark.parametrize(
    ("parent", "url"),
    [
        ("https://x.example/a", "/etc"),
        ("git@x.example:a", "/srv/git/secret.git"),
        ("https://x.example/a", "file:///etc"),
        ("https://x.example/a", "ext::sh -c id"),
        ("https://x.example/a", "--upload-pack=id"),
        ("https://x.example/a", "../../evil.example/b"),
        ("git@x.example:a", "../../b"),
        ("https://x.example", "../b"),
        ("/srv/git/app.git", "../../../../etc"),
        ("/srv/git/app.git", "file:///etc"),
        ("https://x.example/a", ""),
    ],
)
def test_a_submodule_that_git_could_take_for_more_is_refused(parent: str, url: str) -> None:
    with pytest.raises(Failure) as caught:
        git_submodules.submodule_url(parent, "lib", url)
    assert caught.value.code == "submodule_invalid"


@pytest.fixture(scope="module")
def submodules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which `app` has a submodule that has one itself."""
    folder = tmp_path_factory.mktemp("submodules")
    repository(folder / "inner", inner="inner")
    repository(folder / "outer", outer="outer")
    run(folder / "outer", "submodule", "--quiet", "add", "../inner", "deep/in er")
    commit(folder / "outer", more="more")
    repository(folder / "app", app="app")
    run(folder / "app", "submodule", "--quiet", "add", "../outer", "lib")
    commit(folder / "app", app="app 2")
    return folder


@pytest.fixture
def with_submodules(submodules: Path, tmp_path: Path) -> tuple[Path, str]:
    """Return a copy of that repository and its commit; the URLs in it are relative."""
    shutil.copytree(submodules, tmp_path, symlinks=True, dirs_exist_ok=True)
    return tmp_path / "app", run(tmp_path / "app", "rev-parse", "HEAD")


def test_submodules_are_unpacked_at_the_commits_recorded(
    tmp_path: Path, with_submodules: tuple[Path, str]
) -> None:
    origin, sha = with_submodules
    commit(tmp_path / "inner", inner="newer, not recorded")
    parts = git_tree.fetch(mirror(tmp_path, origin), sha)
    assert [part.folder for part in parts] == ["", "lib", "lib/deep/in er"]
    files = unpacked(tmp_path, parts)
    assert files["app"] == "app 2"
    assert files["lib/outer"] == "outer"
    assert files["lib/deep/in er/inner"] == "inner"


def test_submodules_that_are_here_are_not_fetched_again(
    tmp_path: Path, with_submodules: tuple[Path, str]
) -> None:
    origin, sha = with_submodules
    here = mirror(tmp_path, origin)
    assert all(part.fetched for part in git_tree.fetch(here, sha))
    for name in ("inner", "outer", "app"):
        shutil.rmtree(tmp_path / name)
    assert not any(part.fetched for part in git_tree.fetch(here, sha))


def test_a_submodule_without_a_url_is_refused(
    tmp_path: Path, with_submodules: tuple[Path, str]
) -> None:
    origin, _ = with_submodules
    (origin / ".gitmodules").unlink()
    sha = commit(origin, app="app 3")
    with pytest.raises(Failure) as caught:
        git_tree.fetch(mirror(tmp_path, origin), sha)
    assert caught.value.code == "submodule_invalid"
    assert "lib" in caught.value.message


def test_a_submodule_whose_commit_is_gone_says_which(
    tmp_path: Path, with_submodules: tuple[Path, str]
) -> None:
    origin, sha = with_submodules
    shutil.rmtree(tmp_path / "inner")
    repository(tmp_path / "inner", inner="another history")
    with pytest.raises(Failure, match="submodule lib/deep/in er") as caught:
        git_tree.fetch(mirror(tmp_path, origin), sha)
    assert caught.value.code == "version_not_found"


def test_a_checkout_gets_its_submodules_from_the_configured_repository(
    tmp_path: Path, with_submodules: tuple[Path, str]
) -> None:
    origin, sha = with_submodules
    checkout = tmp_path / "checkout"
    run(tmp_path, "clone", "--quiet", str(origin), str(checkout))
    run(checkout, "remote", "set-url", "origin", "/nowhere/at/all.git")
    run(checkout, "checkout", "--quiet", "--detach", sha)
    git_submodules.update_checkout(Access(str(origin)), str(checkout), me())
    assert (checkout / "lib/outer").read_text() == "outer"
    assert (checkout / "lib/deep/in er/inner").read_text() == "inner"


def test_the_path_of_a_submodule_is_no_pattern_for_others(tmp_path: Path) -> None:
    """Others would be fetched from a URL that was not asked for, with the access of this one."""
    repository(tmp_path / "app", app="app")
    lib = repository(tmp_path / "lib", lib="lib")
    paths = ("*", ":x", "m")
    told = "".join(section(f"at {path}", path=path, url="../lib") for path in paths)
    sha = hostile(tmp_path / "app", told, *paths, sha=lib)
    checkout = tmp_path / "checkout"
    run(tmp_path, "clone", "--quiet", str(tmp_path / "app"), str(checkout))
    run(checkout, "remote", "set-url", "origin", "/nowhere/at/all.git")
    git_submodules.update_checkout(Access(str(tmp_path / "app")), str(checkout), me())
    assert run(checkout, "rev-parse", "HEAD") == sha
    assert all((checkout / path / "lib").read_text() == "lib" for path in paths)


def lfs_repository(origin: Path) -> str:
    repository(origin, readme="x")
    run(origin, "lfs", "install", "--local")
    return commit(origin, __gitattributes="*.bin filter=lfs -text\n", a__bin="large 1")


def repository_with_pointer(origin: Path, attributes: str) -> str:
    """Commit a pointer to a file that Git LFS would keep, without Git LFS."""
    repository(origin, __gitattributes=attributes)
    run(origin, "config", "filter.lfs.process", "")
    run(origin, "config", "filter.lfs.clean", "cat")
    run(origin, "config", "filter.lfs.required", "false")
    return commit(origin, a__bin=POINTER.format("1" * 64))


@needs_lfs
def test_git_lfs_files_have_their_contents(tmp_path: Path) -> None:
    sha = lfs_repository(tmp_path / "app")
    commit(tmp_path / "app", a__bin="large 2")
    parts = git_tree.fetch(mirror(tmp_path, tmp_path / "app"), sha)
    assert parts[0].lfs
    assert unpacked(tmp_path, parts)["a.bin"] == "large 1"


@needs_lfs
def test_no_setting_of_the_repository_leaves_git_lfs_files_out(tmp_path: Path) -> None:
    lfs_repository(tmp_path / "app")
    sha = commit(tmp_path / "app", __lfsconfig="[lfs]\n\tfetchexclude = *\n", b__bin="large 2")
    parts = git_tree.fetch(mirror(tmp_path, tmp_path / "app"), sha)
    files = unpacked(tmp_path, parts)
    assert (files["a.bin"], files["b.bin"]) == ("large 1", "large 2")


@needs_lfs
def test_git_lfs_files_that_were_never_pushed_are_refused(tmp_path: Path) -> None:
    sha = repository_with_pointer(tmp_path / "app", "*.bin filter=lfs -text\n")
    with pytest.raises(Failure) as caught:
        git_tree.fetch(mirror(tmp_path, tmp_path / "app"), sha)
    assert caught.value.code == "lfs_failed"


def test_without_git_lfs_a_commit_that_uses_it_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = repository_with_pointer(tmp_path / "app", "*.bin filter=lfs -text\n")
    monkeypatch.setattr(git_lfs.shutil, "which", lambda _name: None)
    with pytest.raises(Failure, match=r"a\.bin") as caught:
        git_tree.fetch(mirror(tmp_path, tmp_path / "app"), sha)
    assert caught.value.code == "lfs_missing"


def test_a_text_like_a_pointer_is_no_git_lfs_where_no_attribute_says_so(tmp_path: Path) -> None:
    sha = repository_with_pointer(tmp_path / "app", "*.txt text\n")
    parts = git_tree.fetch(mirror(tmp_path, tmp_path / "app"), sha)
    assert not parts[0].lfs
    assert unpacked(tmp_path, parts)["a.bin"] == POINTER.format("1" * 64)


def test_an_archive_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(b"half")
    whole = source.checksum(str(path))
    path.write_bytes(b"ha")
    with pytest.raises(Failure) as caught:
        source.Source(Access(""), True, str(path), whole).unpack([], "", str(tmp_path), me())
    assert caught.value.code == "archive_damaged"
    with pytest.raises(Failure) as caught:
        source.Source(Access(""), True).unpack([], "", str(tmp_path), me())
    assert caught.value.code == "archive_missing"


def hostile(origin: Path, gitmodules: str, *paths: str, sha: str = "1" * 40) -> str:
    """Commit a .gitmodules and a submodule at each of the paths; return the commit."""
    (origin / ".gitmodules").write_text(gitmodules)
    run(origin, "add", "--all")
    for path in paths:
        run(origin, "update-index", "--add", "--cacheinfo", f"160000,{sha},{path}")
    run(origin, "commit", "--quiet", "--message", "hostile")
    return run(origin, "rev-parse", "HEAD")


def section(name: str, **values: str) -> str:
    lines = "".join(f"\t{key} = {value}\n" for key, value in values.items())
    return f'[submodule "{name}"]\n{lines}'


COMMAND = "evil.update=!sh -c 'touch {mark}' #"


@pytest.mark.parametrize(
    "gitmodules",
    [
        section("evil", path="zzz", url="../lib")
        + section(COMMAND, path="m", url="../lib")
        + section("evil", path="m", url="../lib"),
        section(COMMAND, path="m", url="../lib"),
        section("a=b", path="m", url="../lib"),
        section("../../evil", path="m", url="../lib"),
        section("one", path="m", url="../lib") + section("two", path="m", url="../lib"),
        section("one", path="m", url="../lib") + section("one", path="m", url="../other"),
        section("one", path="other", url="../lib") + section("one", path="m", url="../lib"),
        section("a\tb", path="m", url="../lib"),
    ],
)
def test_a_gitmodules_that_git_could_take_for_more_is_refused_and_runs_nothing(
    tmp_path: Path, gitmodules: str
) -> None:
    mark = tmp_path / "ran"
    repository(tmp_path / "app", app="app")
    repository(tmp_path / "lib", lib="lib")
    sha = hostile(tmp_path / "app", gitmodules.replace("{mark}", str(mark)), "m")
    checkout = tmp_path / "checkout"
    run(tmp_path, "clone", "--quiet", str(tmp_path / "app"), str(checkout))
    with pytest.raises(Failure) as caught:
        git_submodules.submodules(Mirror(str(checkout), Access(str(tmp_path / "app"))), sha)
    assert caught.value.code == "submodule_invalid"
    with pytest.raises(Failure) as caught:
        git_submodules.update_checkout(Access(str(tmp_path / "app")), str(checkout), me())
    assert caught.value.code == "submodule_invalid"
    assert not mark.exists()


def test_a_section_that_is_there_twice_and_one_for_no_submodule_change_nothing(
    tmp_path: Path,
) -> None:
    repository(tmp_path / "app", app="app")
    repository(tmp_path / "lib", lib="lib")
    twice = section("lib one", path="in side", url="../lib") * 2
    sha = hostile(tmp_path / "app", twice + section("a=b", path="gone", url="../lib"), "in side")
    here = Mirror(str(tmp_path / "app"), Access(str(tmp_path / "app")))
    (module,) = git_submodules.submodules(here, sha)
    assert (module.name, module.path) == ("lib one", "in side")
    assert module.url == str(tmp_path / "lib")


@pytest.mark.parametrize("version", [(2, 30), (2, 31)])
@pytest.mark.parametrize("strategy", ["none", "rebase", "merge"])
def test_how_a_repository_wants_its_submodules_updated_does_not_count(
    tmp_path: Path, with_submodules: tuple[Path, str], strategy: str,
    version: tuple[int, int], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Git before 2.31 reads no configuration from its environment."""
    monkeypatch.setattr(git, "_version", lambda: version)
    origin, _ = with_submodules
    run(origin, "config", "--file", ".gitmodules", "submodule.lib.update", strategy)
    sha, checkout = commit(origin, app="app 3"), tmp_path / "checkout"
    run(tmp_path, "clone", "--quiet", str(origin), str(checkout))
    git_submodules.update_checkout(Access(str(origin)), str(checkout), me())
    assert run(checkout, "rev-parse", "HEAD") == sha
    assert (checkout / "lib/deep/in er/inner").read_text() == "inner"


def test_a_submodule_that_moved_to_another_repository_is_fetched_from_that_one(
    tmp_path: Path, with_submodules: tuple[Path, str]
) -> None:
    """No server that an earlier commit named is asked again."""
    origin, _ = with_submodules
    checkout = tmp_path / "checkout"
    run(tmp_path, "clone", "--quiet", str(origin), str(checkout))
    git_submodules.update_checkout(Access(str(origin)), str(checkout), me())
    (tmp_path / "outer").rename(tmp_path / "renamed")
    newer = commit(tmp_path / "renamed", outer="outer 2")
    run(origin, "config", "--file", ".gitmodules", "submodule.lib.url", "../renamed")
    run(origin, "add", ".gitmodules")
    run(origin, "update-index", "--cacheinfo", f"160000,{newer},lib")
    run(origin, "commit", "--quiet", "--message", "moved")
    run(checkout, "fetch", "--quiet", "--no-recurse-submodules")
    run(checkout, "checkout", "--quiet", "--detach", "origin/main")
    git_submodules.update_checkout(Access(str(origin)), str(checkout), me())
    assert (checkout / "lib/outer").read_text() == "outer 2"


def test_a_gitmodules_that_an_attribute_converts_is_refused(
    tmp_path: Path, with_submodules: tuple[Path, str]
) -> None:
    """What is checked is the commit's; what git reads is the file."""
    origin, _ = with_submodules
    checkout = tmp_path / "checkout"
    run(tmp_path, "clone", "--quiet", str(origin), str(checkout))
    run(checkout, "config", "--file", ".gitmodules", "submodule.lib.path", "elsewhere")
    with pytest.raises(Failure) as caught:
        git_submodules.update_checkout(Access(str(origin)), str(checkout), me())
    assert caught.value.code == "submodule_invalid"


def test_neither_hooks_nor_a_monitor_of_the_checkout_run(
    tmp_path: Path, with_submodules: tuple[Path, str]
) -> None:
    origin, sha = with_submodules
    checkout, mark = tmp_path / "checkout", tmp_path / "ran"
    run(tmp_path, "clone", "--quiet", str(origin), str(checkout))
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n")
    program.chmod(0o755)
    run(checkout, "config", "core.fsmonitor", str(program))
    shutil.copy(program, checkout / ".git/hooks/post-checkout")
    Checkout(str(checkout), me(), Access(str(origin))).move(sha, force=True)
    assert not mark.exists()


@needs_lfs
def test_git_lfs_files_of_a_submodule_in_a_checkout_have_their_contents(tmp_path: Path) -> None:
    lfs_repository(tmp_path / "lib")
    repository(tmp_path / "app", app="app")
    run(tmp_path / "app", "submodule", "--quiet", "add", "../lib", "lib")
    commit(tmp_path / "app", app="app 2")
    checkout = tmp_path / "checkout"
    run(tmp_path, "clone", "--quiet", str(tmp_path / "app"), str(checkout))
    git_submodules.update_checkout(Access(str(tmp_path / "app")), str(checkout), me())
    assert (checkout / "lib/a.bin").read_text() == "large 1"
    assert run(checkout, "-c", "filter.lfs.process=git-lfs filter-process", "status", "-s") == ""


HIDDEN = '[lfs]\n\tx = "a\\nlfs.url={}"\n'


@needs_lfs
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[lfs]\n\turl = ssh://-oProxyCommand=touch/x\n", "lfs_invalid"),
        ("[lfs]\n\turl = ext::sh -c id\n", "lfs_invalid"),
        ('[lfs]\n\turl = "https://git.example.com#@evil.example/x"\n', "lfs_invalid"),
        ('[remote "origin"]\n\tlfsurl = file:///etc\n', "lfs_invalid"),
        (HIDDEN.format("/etc"), "lfs_invalid"),
        ('[lfs "url=/etc/#"]\n\tx = y\n', "lfs_invalid"),
        ("[lfs]\n\tskipdownloaderrors = true\n", "lfs_failed"),
    ],
)
def test_what_git_lfs_is_told_by_a_repository_is_checked(
    tmp_path: Path, text: str, code: str
) -> None:
    origin = tmp_path / "app"
    repository_with_pointer(origin, "*.bin filter=lfs -text\n")
    sha = commit(origin, __lfsconfig=text)
    here = mirror(tmp_path, origin)
    here.fetch(sha)
    here.detach(sha)
    away = replace(here, access=Access("https://git.example.com/a/app.git"))
    with pytest.raises(Failure) as caught:
        git_lfs.fetch(away if code == "lfs_invalid" else here, sha)
    assert caught.value.code == code


@needs_lfs
def test_git_lfs_reads_the_settings_of_the_commit_and_of_no_other_branch(tmp_path: Path) -> None:
    sha = lfs_repository(tmp_path / "app")
    run(tmp_path / "app", "branch", "other")
    here = mirror(tmp_path, tmp_path / "app")
    here.fetch(sha)
    run(Path(here.path), "symbolic-ref", "HEAD", "refs/heads/other")
    run(tmp_path / "app", "checkout", "--quiet", "other")
    commit(tmp_path / "app", __lfsconfig="[lfs]\n\turl = https://127.0.0.1:1/nothing\n")
    run(tmp_path / "app", "checkout", "--quiet", "main")
    newer = commit(tmp_path / "app", a__bin="large 2")
    assert unpacked(tmp_path, git_tree.fetch(here, newer))["a.bin"] == "large 2"


@pytest.mark.parametrize(
    ("server", "kept"), [("https://git.example.com/lfs", True), ("https://x.example/lfs", False)]
)
def test_a_git_lfs_server_elsewhere_gets_no_credentials(
    server: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Scripted(Mirror):
        def read(self, *arguments: str) -> str:
            return f"lfs.url={server}\n" if "--blob" in arguments else ""

        def run(self, *arguments: str, settings: object = None) -> Finished:
            seen.append(self.access)
            return Finished(0, "")

    git_lfs.fetch(Scripted("/m", Access("https://git.example.com/a", token="t")), "1" * 40)
    assert [access.token == "t" for access in seen] == [kept]
    assert seen[0].repository == "https://git.example.com/a"
