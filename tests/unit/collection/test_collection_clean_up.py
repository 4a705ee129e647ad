"""Clean-up on a host: what cannot be removed is warned of, tried again, and decides nothing."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import backups, ledger
from ansible_collections.fraisier.deploy.plugins.module_utils.clean_up import (
    remove_tree,
    tolerated,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.ledger import Ledger
from ansible_collections.fraisier.deploy.plugins.module_utils.releases import (
    GOOD,
    Layout,
    Release,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.report import Report

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def as_nobody(work: Any) -> None:
    """Do something as a user who owns nothing; fail with what it asserts."""
    pid = os.fork()
    if pid == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@needs_root
def test_a_file_of_roots_is_named_by_its_path_and_the_rest_is_removed() -> None:
    with tempfile.TemporaryDirectory() as base:
        os.chmod(base, 0o755)
        tree = Path(base, "tree")
        for folder in (tree, tree / "a", tree / "a" / "cache", tree / "b"):
            folder.mkdir()
            os.chown(folder, NOBODY, NOBODY)
        (tree / "b" / "mine").write_text("x")
        (tree / "a" / "cache" / "roots").write_text("x")
        os.chown(tree / "a" / "cache", 0, 0)

        def remove() -> None:
            with pytest.raises(PermissionError) as refused:
                remove_tree(str(tree))
            assert refused.value.filename == str(tree / "a" / "cache" / "roots")
            assert not (tree / "b").exists()

        as_nobody(remove)


def test_a_tree_that_is_gone_is_removed_already(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "nothing"))


def test_a_link_is_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "precious")
    remove_tree(str(tmp_path / "tree"))
    assert (tmp_path / "precious").is_dir()


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied", "/opt/api/releases/1/x"),
        OSError(errno.EBUSY, "Device or resource busy", "/opt/api/releases/1/x"),
        Failure("checkout_failed", "git failed in /opt/api/releases/1/x"),
    ],
)
def test_a_removal_that_fails_is_a_warning_with_its_path(error: Exception) -> None:
    report, warnings = Report(), list[str]()
    with tolerated(report, warnings, "prune", "release 1"):
        raise error
    assert "/opt/api/releases/1/x" in warnings[0]
    assert report.log[0]["step"] == "prune"
    assert warnings[0] in report.log[0]["text"]


@pytest.mark.parametrize("code", ["terminated", "fence_stale", "fence_held"])
def test_a_run_that_may_not_go_on_does_not(code: str) -> None:
    with pytest.raises(Failure), tolerated(Report(), [], "prune", "release 1"):
        raise Failure(code, "stop")


def test_a_defect_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), tolerated(Report(), [], "prune", "release 1"):
        raise ZeroDivisionError


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the folders that cannot be removed, by the last part of their paths."""
    names: set[str] = set()

    def remove(path: str) -> None:
        if os.path.basename(path) in names:
            raise PermissionError(errno.EACCES, "Permission denied", path + "/roots")
        remove_tree(path)

    for module in (ledger, backups):
        monkeypatch.setattr(module, "remove_tree", remove)
    return names


def test_leftovers_that_stay_are_tried_again_each_time(tmp_path: Path, stuck: set[str]) -> None:
    layout = Layout(str(tmp_path))
    os.makedirs(layout.releases)
    os.makedirs(layout.records)
    found, first, second = Ledger(layout), "20260101-000000-aaaaaaa", "20260101-000001-bbbbbbb"
    for release in (first, second):
        found.open(release)
    stuck.add(first)
    for time in range(2):
        report, warnings = Report(), list[str]()
        gone = found.sweep(lambda _r: tolerated(report, warnings, "sweep", "leftover"))  # noqa: B023
        assert gone == ([] if time else [second]), "what stays is not said to be removed"
        assert len(warnings) == 1
        assert os.listdir(layout.releases) == [first]
    stuck.clear()
    found.sweep()
    assert os.listdir(layout.releases) == []


def test_a_release_that_cannot_be_removed_is_none_any_more(tmp_path: Path, stuck: set[str]) -> None:
    """What is left of it is half of a release, which nobody may go back to."""
    layout = Layout(str(tmp_path))
    os.makedirs(layout.releases)
    os.makedirs(layout.records)
    found, name = Ledger(layout), "20260101-000000-aaaaaaa"
    found.open(name)
    found.write(Release(name, "a" * 40, "dep_1", GOOD, 1.0))
    stuck.add(name)
    with pytest.raises(PermissionError):
        found.remove(name)
    assert found.all() == []


def test_an_old_backup_that_cannot_be_removed_stops_no_other(
    tmp_path: Path, stuck: set[str]
) -> None:
    names = [f"2026010{day}-000000" for day in range(1, 6)]
    for name in names:
        (tmp_path / name).mkdir()
    stuck.add(names[1])
    warnings: list[str] = []
    backups.prune(
        str(tmp_path), 2, lambda name: tolerated(Report(), warnings, "backup", f"backup {name}")
    )
    assert sorted(os.listdir(tmp_path)) == [names[1], *names[3:]]
    assert str(tmp_path / names[1]) in warnings[0]
