"""What is kept of built modules: for the same sources only, whole, and nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fraisier.runner import built
from fraisier.runner.built import keep, key_of, place, seed

RELEASE = "ansible_collections.fraisier.deploy.plugins.modules.release-ZIP_DEFLATED-none"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Return the folder of a key."""
    found = place({"HOME": str(tmp_path)}, "key")
    assert found is not None
    return found


def test_any_change_of_a_source_or_a_version_is_another_key(tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    file = tmp_path / "modules/release.py"
    file.write_text("a = 1\n")
    os.utime(file, (1, 1))
    before = key_of(tmp_path, "2.19.4")
    assert key_of(tmp_path, "2.19.4") == before
    assert key_of(tmp_path, "2.19.5") != before
    file.write_text("a = 2\n")
    os.utime(file, (1, 1))
    changed = key_of(tmp_path, "2.19.4")
    file.rename(file.with_name("other.py"))
    assert len({before, changed, key_of(tmp_path, "2.19.4")}) == 3


def test_what_one_run_built_the_next_one_finds(kept: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1/cache", tmp_path / "2/cache"
    first.mkdir(parents=True)
    (first / RELEASE).write_bytes(b"built")
    (first / f"{RELEASE}.lock").touch()
    (first / f"{RELEASE}x-part").write_bytes(b"bu")
    keep(first, kept)
    assert [path.name for path in kept.iterdir()] == [RELEASE]
    seed(kept, second)
    assert {path.name: path.read_bytes() for path in second.iterdir()} == {RELEASE: b"built"}


def test_what_a_disk_has_damaged_is_built_anew(kept: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    for name in (RELEASE, f"{RELEASE}2"):
        (first / name).write_bytes(b"built" * 1000)
    keep(first, kept)
    whole = (kept / RELEASE).read_bytes()
    (kept / RELEASE).write_bytes(whole[:2000] + bytes(100) + whole[2100:])
    (kept / f"{RELEASE}2").write_bytes(b"")
    seed(kept, second)
    assert [*second.iterdir()] == []
    keep(first, kept)
    seed(kept, second)
    assert (second / RELEASE).read_bytes() == b"built" * 1000


def test_what_cannot_be_written_whole_is_not_there(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / RELEASE).write_bytes(b"built")
    monkeypatch.setattr(built.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        keep(tmp_path, kept)
    assert [*kept.iterdir()] == []
    monkeypatch.undo()
    keep(tmp_path, kept)
    monkeypatch.setattr(built.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        seed(kept, tmp_path / "cache")
    assert [*(tmp_path / "cache").iterdir()] == []


@pytest.mark.parametrize("others", [".cache/fraisier", ".cache/fraisier/modules/key"])
def test_where_others_may_write_nothing_is_kept(kept: Path, tmp_path: Path, others: str) -> None:
    assert kept.stat().st_mode & 0o777 == 0o700
    (tmp_path / others).chmod(0o770)
    assert place({"HOME": str(tmp_path)}, "key") is None


def test_a_file_that_others_may_write_or_a_link_is_not_used(kept: Path, tmp_path: Path) -> None:
    (kept / RELEASE).write_bytes(b"theirs")
    (kept / RELEASE).chmod(0o666)
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    (kept / f"{RELEASE}2").symlink_to(tmp_path / "elsewhere")
    seed(kept, tmp_path / "cache")
    assert [*(tmp_path / "cache").iterdir()] == []


@pytest.mark.parametrize("environ", [{}, {"HOME": "not/absolute"}, {"XDG_CACHE_HOME": "/proc/1/x"}])
def test_without_a_home_of_ones_own_nothing_is_kept(environ: dict[str, str]) -> None:
    assert place(environ, "key") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_in_the_home_of_another_nothing_is_kept(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    assert place({"HOME": str(tmp_path)}, "key") is None
    assert [*tmp_path.iterdir()] == []


def test_what_was_built_for_versions_long_gone_goes(kept: Path, tmp_path: Path) -> None:
    for name, days in (("old", 31), ("other", 29)):
        (kept.parent / name).mkdir()
        at = time.time() - days * 86_400
        os.utime(kept.parent / name, (at, at))
    for name, days in (("killed-part", 2), ("written-part", 0)):
        (kept / name).write_bytes(b"bu")
        os.utime(kept / name, (time.time() - days * 86_400,) * 2)
    (tmp_path / RELEASE).write_bytes(b"built")
    keep(tmp_path, kept)
    assert {path.name for path in kept.iterdir()} == {RELEASE, "written-part"}
    assert {path.name for path in kept.parent.iterdir()} == {"key", "other"}


def test_below_a_folder_in_which_others_may_write_nothing_is_kept(tmp_path: Path) -> None:
    """They could put another folder in the place of ours."""
    environ = {"XDG_CACHE_HOME": str(tmp_path / "shared")}
    assert place(environ, "key") is not None
    (tmp_path / "shared").chmod(0o777)
    assert place(environ, "key") is None


def test_a_process_that_becomes_ansible_imports_no_collection_before_it() -> None:
    """Python's own loader would find it, and Ansible could not play from it."""
    script = "import sys, fraisier.runner.playbook; sys.exit('ansible_collections' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", script]).returncode == 0
