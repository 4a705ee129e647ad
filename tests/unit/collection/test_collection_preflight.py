"""A preflight that changes nothing refuses what the one of a deployment would, in its words."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    compose_engine,
    compose_open,
    compose_site,
    coolify_site,
    differences,
    host_check,
    in_place,
    preflight,
    setup_hint,
    source,
    state_folders,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.checkout import Checkout
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import User, as_user
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_files import Files
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.fence_rules import Claim
from ansible_collections.fraisier.deploy.plugins.module_utils.git_access import Access
from ansible_collections.fraisier.deploy.plugins.module_utils.releases import Layout
from ansible_collections.fraisier.deploy.plugins.module_utils.site import Site
from support.colours import service
from unit.collection.test_collection_compose import service as compose_service
from unit.collection.test_collection_git_tree import repository, run

ME = pwd.getpwuid(os.geteuid())
USER = User(ME.pw_name, ME.pw_uid, ME.pw_gid, ME.pw_dir)
MINE, OTHER = Claim("mine", "dep_1"), Claim("other", "dep_2")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="acts as another account")


def everything(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def refused(work: Callable[[], object]) -> tuple[str, str, str] | None:
    """Return code, message and hint of the Failure that work ends in."""
    try:
        work()
    except Failure as failure:
        return failure.code, failure.message, failure.hint
    return None


def alike(
    folder: Path, trial: Callable[[], object], done: Callable[[], object]
) -> tuple[str, str, str] | None:
    """Return how both end: in the same Failure, or well; see that the trial leaves no trace."""
    before = everything(folder)
    tried = refused(trial)
    assert everything(folder) == before
    assert tried == refused(done)
    return tried


# --- folders


@needs_root
@pytest.mark.parametrize("there", ["", "app", "app/releases"])
def test_folders_that_cannot_be_made_are_told_before_they_are_made(
    tmp_path: Path, there: str
) -> None:
    """The folder above is root's, and another account wants to make folders in it."""
    os.chmod(tmp_path, 0o755)
    (tmp_path / there).mkdir(parents=True, exist_ok=True)
    wanted, before = str(tmp_path / "app/releases/deep"), everything(tmp_path)
    nobody = User("nobody", 65534, 65534, "/")
    found = []
    for make in (state_folders.try_own, state_folders.make_own):
        with pytest.raises(PermissionError) as caught:
            as_user(nobody, lambda make=make: make(wanted))  # type: ignore[misc]
        found.append((caught.value.errno, caught.value.strerror, caught.value.filename))
    assert found[0] == found[1]
    assert everything(tmp_path) == before


@needs_root
def test_a_state_folder_of_another_account_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    trial = alike(
        tmp_path,
        lambda: state_folders.try_own(str(tmp_path)),
        lambda: state_folders.make_own(str(tmp_path)),
    )
    assert trial is not None
    assert trial[0] == "state_unsafe"


# --- the fence


def bare_site(folder: Path, claim: Claim) -> Any:
    return Site(service(folder / "app"), claim, source.Source(Access("/r")))


def container_site(folder: Path, claim: Claim) -> Any:
    return compose_site.ComposeSite(compose_service("api"), claim, compose_engine.Docker(), "demo")


def coolify(folder: Path, claim: Claim) -> Any:
    given = SimpleNamespace(place=SimpleNamespace(url="https://c"), secrets={})
    made = object.__new__(coolify_site.CoolifySite)
    vars(made).update(service=given, claim=claim, report=coolify_site.Report())
    made.layout = coolify_site.CoolifyLayout(str(folder / "coolify"))
    made.ledger = coolify_site.CoolifyLedger(made.layout)
    made.fence = coolify_site.Fence(made.layout.state)
    return made


@pytest.mark.parametrize("make", [bare_site, container_site, coolify])
def test_a_host_that_another_installation_holds_is_refused(
    make: Callable[[Path, Claim], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose_site, "state_home", lambda: str(tmp_path))
    enter = lambda site: site.enter(USER) if make is bare_site else site.enter()  # noqa: E731
    assert everything(tmp_path) == []
    make(tmp_path, MINE).try_enter()
    assert everything(tmp_path) == [], "a good host is left as it is"
    other = make(tmp_path, OTHER)
    enter(other)
    other.fence.close()
    mine = make(tmp_path, MINE)
    said = alike(tmp_path, make(tmp_path, MINE).try_enter, lambda: enter(mine))
    assert said is not None
    assert said[0] == "fence_held"


# --- the code


def fetcher(tmp_path: Path, origin: Path, sha: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return the trial and the fetch of a commit, each of a host that has the same so far."""
    mirror, own = str(tmp_path / "host/repo"), source.Source(Access(str(origin)))
    return lambda: own.try_fetch(mirror, sha), lambda: own.fetch(mirror, sha)


def with_submodule(tmp_path: Path) -> tuple[Path, Path, str]:
    """Return a repository, its submodule, and a commit that has both."""
    part, origin = tmp_path / "part", tmp_path / "origin"
    repository(part, lib="lib\n")
    repository(origin, app="one\n")
    run(origin, "submodule", "add", "--quiet", str(part), "lib")
    run(origin, "commit", "--quiet", "--message", "with a submodule")
    return origin, part, run(origin, "rev-parse", "HEAD")


def test_what_a_host_can_fetch_passes_and_what_it_has_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(differences, "_DISK", str(tmp_path / "disk"))
    (tmp_path / "disk").mkdir()
    (tmp_path / "host").mkdir()
    origin, part, sha = with_submodule(tmp_path)
    trial, fetch = fetcher(tmp_path, origin, sha)
    assert alike(tmp_path, trial, fetch) is None
    for gone in (origin, part):
        gone.rename(gone.with_suffix(".gone"))
    assert alike(tmp_path, trial, fetch) is None, "all of it is there already"


@pytest.mark.parametrize(
    ("gone", "code", "helps"),
    [
        ("origin", "repository_unreachable", True),
        ("part", "repository_unreachable", True),
        ("commit", "version_not_found", False),
    ],
)
def test_what_a_host_cannot_fetch_is_refused_with_the_other_source(
    tmp_path: Path, gone: str, code: str, helps: bool
) -> None:
    (tmp_path / "host").mkdir()
    origin, part, sha = with_submodule(tmp_path)
    if gone == "commit":
        sha = "1" * 40
    else:
        {"origin": origin, "part": part}[gone].rename(tmp_path / "away")
    trial, fetch = fetcher(tmp_path, origin, sha)
    said = alike(tmp_path, trial, fetch)
    assert said is not None
    assert said[0] == code
    assert ("source: push" in said[2]) is helps


def test_a_server_that_does_not_answer_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "fatal: unable to access 'https://git/': Failed to connect to git port 443"
    with differences.borrowed(None, Access("https://git/x"), None, "1" * 40) as made:
        trial, asked = replace(made, shallow=True), []

        def fetch(_mirror: Any, *options: str, refs: Any) -> Any:
            asked.append(options)
            return SimpleNamespace(code=128, output=said, timed_out=False)

        monkeypatch.setattr(type(trial), "_fetch", fetch)
        with pytest.raises(Failure) as caught:
            trial.fetch("1" * 40)
    assert caught.value.code == "repository_unreachable"
    assert asked == [("--depth=1",)]


@pytest.mark.parametrize("gone", [False, True])
def test_a_checkout_is_tried_without_being_touched(tmp_path: Path, gone: bool) -> None:
    origin = tmp_path / "origin"
    older = repository(origin, app="one\n")
    checkout = Checkout(str(tmp_path / "host"), USER, Access(str(origin)))
    checkout.create(older)
    checkout.fetch(older)
    (origin / "app").write_text("two\n")
    run(origin, "commit", "--quiet", "--all", "--message", "two")
    newer = run(origin, "rev-parse", "HEAD")
    if gone:
        origin.rename(tmp_path / "away")
    made: Any = SimpleNamespace(report=coolify_site.Report())
    said = alike(
        tmp_path,
        lambda: in_place.try_fetch(made, newer, checkout),
        lambda: in_place.fetch(made, newer, checkout),
    )
    assert (said or ("",))[0] == ("repository_unreachable" if gone else "")
    assert "source: push" not in (said or ("", "", ""))[2], "a checkout needs git"


def test_the_whole_trial_of_a_host_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "check_host", lambda _site: USER)
    sha = repository(tmp_path / "origin", app="one\n")
    files = source.Source(Access(str(tmp_path / "origin")))
    site = Site(service(tmp_path / "app"), MINE, files)
    for version in (sha, None):
        before = everything(tmp_path)
        preflight.examine(site, version)
        assert everything(tmp_path) == before
    assert [step["name"] for step in site.report.steps] == ["fence", "fetch", "fence"]
    pushed = Site(service(tmp_path / "app"), MINE, replace(files, access=Access("/r"), pushed=True))
    preflight.examine(pushed, sha)


# --- what helps


@pytest.mark.parametrize(("uid", "more"), [(0, ""), (1000, " --as root")])
def test_a_host_that_nobody_prepared_names_the_command_that_does(
    uid: int, more: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = f"fraisier setup my_api production{more} --yes"
    own = replace(service(tmp_path), service_user="nobody-there")
    site: Any = SimpleNamespace(
        service=own, report=coolify_site.Report(), layout=Layout(str(tmp_path))
    )
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    said = refused(lambda: host_check.check_host(site))
    assert said is not None
    assert said[0] == "user_missing"
    assert command in said[2]
    for raised, code, named in (
        (PermissionError(13, "Permission denied", "/opt/x"), "permission_denied", True),
        (Failure("linger_missing", "", "by hand"), "linger_missing", True),
        (Failure("proxy_missing", "", "fraisier setup FRAISE ENVIRONMENT"), "proxy_missing", True),
        (Failure("unit_missing", "", "by hand"), "unit_missing", False),
    ):

        def fail(error: Exception = raised) -> None:
            with setup_hint.naming_setup(own):
                raise error

        told = refused(fail)
        assert told is not None
        assert (told[0], command in told[2]) == (code, named)
        assert "FRAISE ENVIRONMENT" not in told[2]


def test_a_host_without_git_may_be_sent_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = refused(lambda: host_check.require_programs(("git", "tar"), source.INSTEAD))
    assert said is not None
    assert said[0] == "program_missing"
    assert "install git" in said[2]
    assert "source: push" in said[2]


# --- Compose projects on other hosts


def test_a_project_without_a_name_is_looked_at_before_its_first_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file was sent, and nothing is known of the project: nothing is deployed there."""
    for module in (compose_site, compose_open):
        monkeypatch.setattr(module, "state_home", lambda: str(tmp_path))
    monkeypatch.setattr(compose_engine.Docker, "require", lambda _self: "20.10")
    own = compose_service("api", "/home/me/My Shop/docker-compose.yml")
    site = compose_open.open_site(
        own, None, reads_file=False, files=Files(own.file, own.project_name, {})
    )
    assert site.remembered() is None
    assert everything(tmp_path) == []
