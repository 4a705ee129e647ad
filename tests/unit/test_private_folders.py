"""Folders for their owner only, under any umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from fraisier.cli import cli
from fraisier.domain.catalogue import Host
from fraisier.host_keys import KnownHosts
from fraisier.lab import files, place
from fraisier.lab.model import Lab
from fraisier.private_folders import make_private


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.usefixtures("umask")
def test_a_folder_and_those_made_above_it_are_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private(tmp_path / "a/b/c")
    assert [mode(tmp_path / each) for each in ("a", "a/b", "a/b/c")] == [0o700] * 3
    make_private(tmp_path / "a/b/c")
    assert mode(tmp_path) == 0o755


@pytest.mark.usefixtures("umask")
def test_a_labs_folder_is_private_and_its_hosts_can_read_the_repositories(tmp_path: Path) -> None:
    lab = Lab("demo", tmp_path / "labs/demo", ())
    files.prepare(lab)
    assert [mode(each) for each in (tmp_path / "labs", lab.folder)] == [0o700, 0o700]
    assert mode(lab.git) == 0o755


def test_a_labs_folder_of_0_1_0_becomes_private(tmp_path: Path) -> None:
    lab = Lab("demo", tmp_path / "demo", ())
    lab.git.mkdir(parents=True)
    lab.folder.chmod(0o755)
    files.prepare(lab)
    assert mode(lab.folder) == 0o700


@pytest.mark.usefixtures("umask")
def test_the_folder_of_the_labs_lock_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "default_home", lambda: tmp_path / "state/fraisier-lab")
    with place.one_at_a_time(print):
        assert mode(tmp_path / "state") == mode(tmp_path / "state/fraisier-lab") == 0o700


@pytest.mark.usefixtures("umask")
def test_the_folder_of_pinned_keys_is_private(tmp_path: Path) -> None:
    KnownHosts(tmp_path / "new/.ssh/known_hosts").add(Host("web-1", "web-1"), [])
    assert mode(tmp_path / "new") == mode(tmp_path / "new/.ssh") == 0o700


@pytest.mark.usefixtures("umask")
def test_a_new_configuration_can_be_changed_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "fraises.yaml"
    assert CliRunner().invoke(cli, ["-c", str(path), "config", "init"]).exit_code == 0
    assert mode(path) & 0o022 == 0
