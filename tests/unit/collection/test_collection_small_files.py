"""Folders and small text files are made as they should be, or it is said what differs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.modules.write_files import work


def options(tmp_path: Path, text: str = "a\n", mode: str = "0640") -> dict[str, Any]:
    """Return the module's options for one folder and a file in it."""
    folder = {"path": str(tmp_path / "above" / "folder"), "mode": "0700"}
    file = {"path": f"{folder['path']}/file", "text": text, "mode": mode}
    return {"folders": [folder], "files": [file]}


def modes(tmp_path: Path) -> list[str]:
    """Return the permissions of the folder and the file."""
    folder = tmp_path / "above" / "folder"
    return [oct(path.stat().st_mode)[-4:] for path in (folder, folder / "file")]


def test_what_is_missing_is_made_once(tmp_path: Path) -> None:
    wanted = options(tmp_path)
    folder, file = tmp_path / "above" / "folder", tmp_path / "above" / "folder" / "file"
    seen = work(wanted, check_mode=True)
    assert not (tmp_path / "above").exists(), "check mode changes nothing"
    done = work(wanted, check_mode=False)
    assert seen == done
    assert (done["changed"], done["paths"]) == (True, [str(folder), str(file)])
    about_folder, about_file = done["diff"]
    assert about_folder == {
        "before": {"path": str(folder), "state": "absent"},
        "after": {
            "path": str(folder), "state": "directory", "owner": os.geteuid(),
            "group": os.getegid(), "mode": "0700",
        },
    }  # fmt: skip
    assert (about_file["before"], about_file["after"]) == ("", "a\n")
    assert file.read_text() == "a\n"
    assert modes(tmp_path) == ["0700", "0640"]
    assert work(wanted, check_mode=False) == {"changed": False, "paths": [], "diff": []}


def test_a_text_that_differs_is_written_and_shown(tmp_path: Path) -> None:
    work(options(tmp_path), check_mode=False)
    wanted = options(tmp_path, "b\n")
    assert work(wanted, check_mode=True)["diff"][0]["before"] == "a\n"
    assert work(wanted, check_mode=False)["changed"]
    assert (tmp_path / "above" / "folder" / "file").read_text() == "b\n"


def test_rights_that_differ_are_corrected(tmp_path: Path) -> None:
    work(options(tmp_path), check_mode=False)
    wanted = options(tmp_path, mode="600")
    path = wanted["files"][0]["path"]
    assert work(wanted, check_mode=False)["diff"] == [
        {"before": {"path": path, "mode": "0640"}, "after": {"path": path, "mode": "0600"}}
    ]
    (tmp_path / "above" / "folder").chmod(0o755)
    assert work(wanted, check_mode=False)["paths"] == [wanted["folders"][0]["path"]]
    assert modes(tmp_path) == ["0700", "0600"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_is_taken_back(tmp_path: Path) -> None:
    work(options(tmp_path), check_mode=False)
    for path in (tmp_path / "above" / "folder", tmp_path / "above" / "folder" / "file"):
        os.chown(path, 12345, 12345)
    assert len(work(options(tmp_path), check_mode=False)["diff"]) == 2
    for path in (tmp_path / "above" / "folder", tmp_path / "above" / "folder" / "file"):
        assert (path.stat().st_uid, path.stat().st_gid) == (0, 0)


def test_something_else_in_the_way_is_named_before_anything_is_changed(tmp_path: Path) -> None:
    wanted = options(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    wanted["files"].append({"path": str(tmp_path / "link"), "text": "", "mode": "0644"})
    with pytest.raises(Failure, match="link is no file") as failure:
        work(wanted, check_mode=False)
    assert failure.value.code == "path_occupied"
    assert not (tmp_path / "above").exists()


def test_a_mode_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="folder/file: u=rw is no mode"):
        work(options(tmp_path, mode="u=rw"), check_mode=False)


def test_a_file_that_is_not_text_is_replaced(tmp_path: Path) -> None:
    work(options(tmp_path), check_mode=False)
    file = tmp_path / "above" / "folder" / "file"
    file.write_bytes(b"\xff\xfe")
    assert work(options(tmp_path), check_mode=False)["diff"][0]["before"] == "(not text)\n"
    assert file.read_text() == "a\n"


def test_a_file_without_its_folder_is_told_and_only_shown_in_check_mode(tmp_path: Path) -> None:
    wanted = {**options(tmp_path), "folders": []}
    assert work(wanted, check_mode=True)["changed"]
    with pytest.raises(Failure, match="folder is not there"):
        work(wanted, check_mode=False)


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "above").write_text("")
    with pytest.raises(Failure, match="folder is no directory") as failure:
        work(options(tmp_path), check_mode=True)
    assert failure.value.code == "path_occupied"
