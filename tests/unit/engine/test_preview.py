"""A preview: asked of every host in check mode, told as the hosts tell it, recorded nowhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.errors import VersionNotFound
from fraisier.domain.event import Fact
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Work
from fraisier.domain.ports import Filter
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.preview import Previews
from fraisier.store import SqlStore
from support.fakes import Inventories, Repositories, ScriptedRunner, make_catalogue, make_target
from support.records import open_records

SERVES = {"id": "20260101-old", "version": "old", "good": True}
WHY = [{"step": "build", "why": "commands are not run"}]


class Looking(ScriptedRunner):
    """Answers each look as it is told to, by host, and remembers what it was asked."""

    def __init__(self, **answers: HostOutcome) -> None:
        super().__init__()
        self.answers = answers
        self.asked: list[Work] = []

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Return the answers."""
        self.asked.append(work)
        return Outcome("done", self.answers)


def preview(tmp_path: Path, runner: Looking, **wish: Any) -> tuple[dict[str, Any], SqlStore]:
    """Return what a preview says, and the store that it should have left alone."""
    store = open_records(tmp_path / "x.db")
    catalogue = make_catalogue(make_target(*runner.answers))
    deployments = Deployments(catalogue, store, Repositories(), Inventories())
    previews = Previews(catalogue, store, deployments, lambda: runner)
    return previews.deploy(Wish("api", "production", "cli:test", **wish)), store


def test_each_host_tells_what_would_change_and_nothing_is_recorded(tmp_path: Path) -> None:
    diff = [{"before_header": "unit", "after_header": "unit", "before": "a", "after": "b"}]
    result = {"changed": True, "previous": SERVES, "diff": diff, "unpredictable": WHY}
    runner = Looking(a=HostOutcome("a", "ok", result), b=HostOutcome("b", "ok", {"changed": False}))
    said, store = preview(tmp_path, runner, version="new")
    assert (said["ok"], said["would_change"], said["version"]) == (True, True, "new")
    assert said["hosts"][0] == {
        "host": "a", "state": "ok", "would_change": True, "from": SERVES, "diff": diff,
        "unpredictable": WHY, "error": None,
    }  # fmt: skip
    assert said["hosts"][1]["would_change"] is False
    verbs = [(step["verb"], step["hosts"]) for step in said["plan"]["steps"]]
    assert verbs == [("preflight", ("a", "b")), ("deploy", ("a",)), ("deploy", ("b",))]
    assert store.deployments(Filter()) == []


def test_the_hosts_are_asked_once_all_together_in_check_mode_and_for_no_fence(
    tmp_path: Path,
) -> None:
    runner = Looking(a=HostOutcome("a", "ok"), b=HostOutcome("b", "ok"))
    preview(tmp_path, runner)
    (work,) = runner.asked
    assert [host.name for host in work.hosts] == ["a", "b"]
    assert work.request["check"] is True
    assert work.request["fence"] == {}
    assert work.secrets_required


def test_a_host_that_would_refuse_is_told_with_its_reason(tmp_path: Path) -> None:
    error = {"code": "root_needed", "message": "root is needed", "hint": "set become"}
    runner = Looking(a=HostOutcome("a", "failed", {"changed": True}, error))
    said, _ = preview(tmp_path, runner)
    assert said["ok"] is False
    assert said["hosts"][0]["error"] == error
    assert said["hosts"][0]["would_change"] is False


def test_a_version_that_does_not_exist_is_refused_before_any_host_is_asked(tmp_path: Path) -> None:
    runner = Looking(a=HostOutcome("a", "ok"))
    with pytest.raises(VersionNotFound):
        preview(tmp_path, runner, version="nope")
    assert runner.asked == []
