"""`fraisier db` on every kind of database, as a person uses it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fraisier.cli import main
from fraisier.store.database import HEAD
from support.command import Result
from support.databases import PASSWORD
from support.killing import contents
from support.old_records import fill

CONFIG = """
retention: {deployments: 1, logs_days: 30}
fraises: {}
"""


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return the command, in this process, in a folder with a configuration."""
    (tmp_path / "fraises.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FRAISIER_")]:
        monkeypatch.delenv(name)

    def command(*arguments: str) -> Result:
        monkeypatch.setattr("sys.argv", ["fraisier", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, said.out, said.err)

    return command


@pytest.fixture
def fraisier(run: Run, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return the command, set to an empty database of each kind."""
    monkeypatch.setenv("FRAISIER_DATABASE_URL", empty_database_url)
    return run


def test_a_database_is_made_copied_and_put_back(
    fraisier: Run, empty_database_url: str, database_kind: str, tmp_path: Path
) -> None:
    said = []

    def run(*arguments: str, code: int = 0) -> str:
        done = fraisier(*arguments)
        assert done.code == code, done.said
        said.append(done.said)
        return done.said

    if database_kind == "sqlite":
        path = empty_database_url.removeprefix("sqlite:///")
        run("db", "init", "--path", path)
    else:
        assert "empty" in run("db", "status")
        assert "fraisier db migrate" in run("history", code=1)
        run("db", "init", "--database", database_kind)
    assert f"schema {HEAD}, up to date" in run("db", "status")
    fraisier_json = fraisier("--json", "db", "status").json
    assert fraisier_json["kind"] == database_kind
    assert fraisier_json["revision"] == HEAD
    assert f"schema {HEAD}" in run("db", "migrate")

    old = f"sqlite:///{tmp_path / 'old.db'}"
    fill(old, "0001")
    backup = str(tmp_path / "b.gz")
    assert "6 deployments" in run("db", "backup", backup, "--url", old)
    restored = run("db", "restore", backup)
    assert "6 deployments" in restored
    assert "fraisier queue resume" in restored
    before = contents(empty_database_url)
    assert "--yes" in run("db", "restore", backup, code=8), "there are records now"
    assert contents(empty_database_url) == before
    if database_kind == "mysql":
        refused = run("db", "restore", backup, "-y", code=1)
        assert "a new, empty database" in refused, "of another schema, and no way back"
        assert contents(empty_database_url) == before
    run("db", "backup", backup)
    run("db", "restore", backup, "-y")
    after = contents(empty_database_url)
    own = {"audit", "untold"}
    assert {n: d for n, d in after.items() if n not in own} == {
        name: digest for name, digest in before.items() if name not in own
    }
    assert after["audit"]["rows"] == before["audit"]["rows"] + 1
    assert run("audit", "--limit", "1").split()[-3:] == ["db.restore", "records", "b.gz"]
    assert "would remove" in run("db", "prune", "--dry-run")
    assert contents(empty_database_url)["deployments"] == before["deployments"]
    assert "removed 1 deployments" in run("db", "prune")
    assert PASSWORD not in "".join(said)


def test_what_is_wrong_is_told_before_anything_is_done(
    fraisier: Run, empty_database_url: str, database_kind: str, tmp_path: Path
) -> None:
    other = "mysql" if database_kind == "postgresql" else "postgresql"
    mixed = fraisier("db", "init", "--database", other)
    assert mixed.code == 2
    assert f"not of {other}" in mixed.err
    bad = fraisier("db", "status", "--url", "oracle://me:hunter2@db/f")
    assert bad.code == 2
    assert "not supported" in bad.err
    missing = fraisier("db", "restore", str(tmp_path / "none.gz"))
    assert missing.code == 1
    assert "no such file" in missing.err
    for done in (mixed, bad, missing):
        assert "hunter2" not in done.said
        assert PASSWORD not in done.said


def test_a_kind_without_a_url_asks_for_one(run: Run) -> None:
    done = run("db", "init", "--database", "postgresql")
    assert done.code == 2
    assert "FRAISIER_DATABASE_URL" in done.err


def test_nothing_is_pruned_where_the_file_says_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fraises.yaml").write_text("fraises: {}\n")
    done = run("db", "prune")
    assert done.code == 0
    assert "all records are kept" in done.out
