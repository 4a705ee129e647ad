"""Who may read the files of a SQLite database: its owner, whatever the umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from fraisier.store.database import connect, open_database
from fraisier.store.database_files import SUFFIXES, keep_private


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(path: Path) -> list[int]:
    return [path.with_name(path.name + each).stat().st_mode & 0o777 for each in SUFFIXES]


@pytest.mark.usefixtures("umask")
def test_a_new_database_and_its_side_files_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "fraisier.db"
    engine = connect(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n integer)"))
        assert modes(path) == [0o600, 0o600, 0o600]
    engine.dispose()


def test_a_database_of_0_1_0_is_taken_away_from_others_at_its_next_use(tmp_path: Path) -> None:
    path = tmp_path / "fraisier.db"
    files = [path.with_name(path.name + suffix) for suffix in SUFFIXES]
    for file in files:
        file.touch()
        file.chmod(0o644)
    keep_private(str(path))
    assert modes(path) == [0o600, 0o600, 0o600]


def test_a_database_made_anew_while_its_engine_lives_is_private_too(tmp_path: Path) -> None:
    path = tmp_path / "fraisier.db"
    engine = connect(f"sqlite:///{path}")
    for _ in range(2):
        with closing(engine.connect()):
            assert path.stat().st_mode & 0o777 == 0o600
        engine.dispose()
        path.unlink()


@pytest.mark.parametrize("mode", [0o660, 0o664, 0o666])
def test_a_group_that_may_write_was_let_in_on_purpose(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "fraisier.db"
    path.touch()
    path.chmod(mode)
    keep_private(str(path))
    assert path.stat().st_mode & 0o777 == 0o660


def test_a_link_to_a_database_guards_the_file_it_names(tmp_path: Path) -> None:
    path, link = tmp_path / "records.db", tmp_path / "fraisier.db"
    link.symlink_to(path)
    open_database(f"sqlite:///{link}", 1).dispose()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    keep_private(str(link))
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", [None, "", ":memory:"])
def test_a_database_without_a_file_makes_none(
    name: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keep_private(name)
    assert list(tmp_path.iterdir()) == []
