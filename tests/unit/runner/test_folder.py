"""The private folder of a run is wiped by others only once its owner has let go of it."""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from fraisier.runner import folder
from fraisier.runner.folder import PREFIX, Folder, make_folder, scratch, sweep, wipe_orphaned
from fraisier.runner.invocation import environment


@pytest.fixture
def held() -> Folder:
    """Return a folder whose owner lives, as this process does."""
    return make_folder()


def test_one_that_is_held_is_left_alone(held: Folder) -> None:
    wipe_orphaned(held.path)
    wipe_orphaned(held.path, patience=0.05)
    assert held.path.exists()
    held.wipe()


def test_an_owner_on_its_way_out_is_waited_for(held: Folder) -> None:
    dying = threading.Timer(0.2, held.disown)
    dying.start()
    wipe_orphaned(held.path, patience=30)
    assert not held.path.exists()
    dying.join()
    held.wipe()


@pytest.mark.parametrize(
    "number",
    [1, os.getpid(), os.getppid(), 4_194_304],
    ids=["the first", "mine", "somebody's", "nobody's"],
)
def test_what_a_dead_owner_left_is_swept_up_whatever_its_number_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Such as PID 1 of a container that shares /dev/shm: here 1 is always somebody else."""
    monkeypatch.setattr(folder, "base", lambda: tmp_path)
    left = make_folder()
    made = scratch(left.path)
    left.path.rename(tmp_path / f"{PREFIX}{number}-x1y2z3")
    left.disown()
    lives = make_folder()
    sweep()
    assert [*tmp_path.iterdir()] == [lives.path]
    assert made is not None
    assert not made.exists()
    lives.wipe()


def test_temporary_files_go_with_the_run_and_are_where_the_machine_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = make_folder()
    place = scratch(made.path)
    assert place is not None
    assert environment(made.path, {})["TMPDIR"] == str(place)
    assert (place.parent, stat.S_IMODE(place.stat().st_mode)) == (tmp_path, 0o1777)
    (place / "ansible_x_payload_1").mkdir()
    made.wipe()
    assert not [*tmp_path.iterdir()]
    assert not made.path.exists()


def test_without_room_for_them_a_run_begins_and_names_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "base", lambda: tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    made = make_folder()
    assert "TMPDIR" not in environment(made.path, {})
    made.wipe()
    assert not [*tmp_path.iterdir()]
