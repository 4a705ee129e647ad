"""Paths of a backup that somebody redirects by links: before, while and after root works there."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import backup_files
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.true_places import UnsafeLink, opened

APP = 4711


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with data of a service, and with a secret beside it."""
    (tmp_path / "app/data/deep").mkdir(parents=True)
    (tmp_path / "app/data/deep/file").write_text("mine")
    (tmp_path / "secret/deep").mkdir(parents=True)
    (tmp_path / "secret/deep/file").write_text("root's")
    before = set(os.listdir("/proc/self/fd"))
    yield tmp_path
    assert set(os.listdir("/proc/self/fd")) == before, "every descriptor is closed"


def redirect(path: Path, to: Path) -> None:
    """Put a link in a folder's place, as its owner may at any time."""
    path.rename(f"{path}.moved")
    path.symlink_to(to)


def packed(scene: Path) -> bytes:
    with tarfile.open(scene / "a.tar.gz") as tar:
        files = [tar.extractfile(each) for each in tar if each.isreg()]
        return b"".join(each.read() for each in files if each is not None)


@pytest.mark.parametrize("swapped", ["app", "app/data"])
def test_a_folder_that_becomes_a_link_after_it_was_found_is_not_followed(
    scene: Path, swapped: str
) -> None:
    (scene / "secret/data").symlink_to(".")
    with opened([f"{scene}/app/data"]) as places:
        (place,) = places.values()
        assert place is not None
        redirect(scene / swapped, scene / "secret")
        with (scene / "a.tar.gz").open("wb") as file:
            backup_files.pack([place], file)
    assert b"root's" not in packed(scene)


@pytest.mark.parametrize("swapped", ["deep", "deep/file"])
def test_nothing_below_that_becomes_a_link_meanwhile_is_followed(
    scene: Path, swapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, data = tarfile.TarFile.gettarinfo, scene / "app/data"

    def redirected(self: tarfile.TarFile, name: str | None = None, *more: str, **named: object):
        found = look(self, name, *more, **named)
        if name and name.endswith(os.path.basename(swapped)):
            redirect(data / swapped, scene / "secret" / swapped)
        return found

    monkeypatch.setattr(tarfile.TarFile, "gettarinfo", redirected)
    with (
        (scene / "a.tar.gz").open("wb") as file,
        pytest.raises(OSError, match=r"symbolic|directory"),
    ):
        backup_files.pack([str(data)], file)
    assert b"root's" not in (scene / "a.tar.gz").read_bytes()


def test_links_of_root_lead_on_and_are_recorded_as_what_they_lead_to(scene: Path) -> None:
    (scene / "current").symlink_to("app")
    (scene / "app/uploads").symlink_to(scene / "app/data/../data")
    paths = [f"{scene}/current/data", f"{scene}/current/uploads", f"{scene}/app/data/.."]
    with opened([*paths, f"{scene}/none/x", f"{scene}/app/none"]) as places:
        found = [place and place.record() for place in places.values()]
    real = str(scene / "app")
    assert found == [
        {"path": paths[0], "real": real},
        {"path": f"{real}/data", "real": real},
        {"path": paths[2], "real": str(scene)},
        None,
        {"path": f"{scene}/app/none", "real": real},
    ]


def test_links_in_a_circle_end(scene: Path) -> None:
    (scene / "a").symlink_to("b")
    (scene / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"), opened([f"{scene}/a/x"]):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_link_of_the_service_leads_only_to_what_is_its_own(
    scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = scene / "app/link"
    link.symlink_to(scene / "secret")
    os.chown(link, APP, APP, follow_symlinks=False)
    for path in (link, link / "deep", link / "none"):
        with pytest.raises(UnsafeLink), opened([str(path)]):
            pass
    monkeypatch.setenv("SUDO_UID", str(APP))
    with opened([str(link)]) as places:
        assert places[str(link)], "who asked for root's rights may lead them anywhere"
    monkeypatch.delenv("SUDO_UID")
    os.chown(scene / "secret", APP, APP)
    with opened([str(link)]) as places:
        assert places[str(link)]


@pytest.mark.parametrize("swapped", ["app", "room"])
def test_a_restore_is_not_redirected_while_it_works(
    scene: Path, swapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = scene / "app/data"
    with (scene / "a.tar.gz").open("wb") as file:
        backup_files.pack([str(data)], file)
    place = backup_files.place_of(str(data))
    unpack, room = backup_files._unpack, scene / "app/.fraisier-restore-one-0"

    def redirected(archive: str, folders: list[str]) -> None:
        redirect(scene / "app" if swapped == "app" else room, scene / "secret")
        unpack(archive, folders)

    monkeypatch.setattr(backup_files, "_unpack", redirected)
    try:
        backup_files.put_back(str(scene / "a.tar.gz"), [place], "one")
    except OSError:
        assert swapped == "room"
    assert sorted(os.listdir(scene / "secret")) == ["deep"]
    assert (scene / "secret/deep/file").read_text() == "root's"


@pytest.mark.parametrize("kind", ["link", "file", "folder"])
def test_what_somebody_put_in_the_way_of_a_restore_is_removed(scene: Path, kind: str) -> None:
    data, room = scene / "app/data", scene / "app/.fraisier-restore-one-0"
    with (scene / "a.tar.gz").open("wb") as file:
        backup_files.pack([str(data)], file)
    (data / "deep/file").write_text("broken")
    if kind == "link":
        room.symlink_to(scene / "secret")
    elif kind == "file":
        room.write_text("x")
    else:
        (room / "x").mkdir(parents=True)
    backup_files.put_back(str(scene / "a.tar.gz"), [backup_files.place_of(str(data))], "one")
    assert (data / "deep/file").read_text() == "mine"
    assert (scene / "secret/deep/file").read_text() == "root's"
    assert os.listdir(scene / "app") == ["data"]


def test_a_path_that_was_a_link_is_a_link_no_more_after_its_restore(scene: Path) -> None:
    data = scene / "app/data"
    with (scene / "a.tar.gz").open("wb") as file:
        backup_files.pack([str(data)], file)
    place = backup_files.place_of(str(data))
    redirect(data, scene / "secret")
    backup_files.put_back(str(scene / "a.tar.gz"), [place], "one")
    assert not data.is_symlink()
    assert (data / "deep/file").read_text() == "mine"
    assert (scene / "secret/deep/file").read_text() == "root's"


def test_a_restore_whose_folder_is_gone_is_refused(scene: Path) -> None:
    data = scene / "app/data"
    with (scene / "a.tar.gz").open("wb") as file:
        backup_files.pack([str(data)], file)
    place = backup_files.place_of(str(data))
    (scene / "app").rename(scene / "moved")
    with pytest.raises(Failure) as refused:
        backup_files.put_back(str(scene / "a.tar.gz"), [place], "one")
    assert refused.value.code == "restore_refused"
