"""Promotion without a person: exactly once, and only what is sure to be wanted."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.catalogue import Catalogue, Fraise
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import VersionNotFound
from fraisier.domain.event import Fact
from fraisier.domain.freeze import NewFreeze
from fraisier.domain.ids import now
from fraisier.domain.ports import Filter
from fraisier.domain.worker import NewWorker
from fraisier.engine import queue
from fraisier.engine.automatic import WINDOW, Promotions, candidate
from fraisier.engine.bell import Bell
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.looks import Looks
from fraisier.engine.membership import Membership
from fraisier.engine.queue import QueueWorker, Stop
from support.fakes import PROVIDER, Inventories, Repositories, ScriptedRunner, begin, make_target
from support.records import open_records
from support.target import until


class Line:
    """dev, staging and production, each after the one before, in one store."""

    def __init__(self, folder: Path, **production: Any) -> None:
        targets = {
            "dev": make_target(environment="dev"),
            "staging": make_target(environment="staging", after="dev", promote="automatic"),
            "production": make_target(**{"after": "staging", "promote": "automatic", **production}),
        }
        self.targets = targets
        fraise = Fraise("api", "api", "", targets)
        self.catalogue = Catalogue("fraises.yaml", {"api": fraise}, {"bare_metal": PROVIDER})
        self.store = open_records(folder / "test.db")
        self.repositories = Repositories()
        self.deployments = Deployments(self.catalogue, self.store, self.repositories, Inventories())

    def promotions(self) -> Promotions:
        """Return what promotes, as a process that has just begun has it."""
        return Promotions(self.catalogue, self.store, self.deployments)

    def ask(self, environment: str, version: str, **wish: Any) -> Deployment:
        """Ask for a version by hand."""
        wish = {"force": True, **wish}
        asked = Wish("api", environment, "cli:me", version=version, **wish)
        return self.deployments.deploy(asked)

    def end(self, asked: Deployment, status: Status = Status.SUCCESS) -> Deployment:
        """Have a deployment carried out, with this end."""
        self.store.finish(begin(self.store, asked.id), status, "")
        return self.store.deployment(asked.id)

    def succeeded(self, environment: str, version: str) -> Deployment:
        """Deploy a version with success."""
        return self.end(self.ask(environment, version))

    def there(self, environment: str) -> list[Deployment]:
        """Return the deployments of an environment, newest first."""
        return self.store.deployments(Filter("api", environment))

    def coming(self, environment: str = "production") -> Any:
        """Return what `fraisier status` says of promotion."""
        (shown,) = Looks(lambda: self.catalogue, self.store).status("api", environment)
        return shown["promotion"]


@pytest.fixture
def line(tmp_path: Path) -> Line:
    """Return a line of its own."""
    return Line(tmp_path)


def test_a_success_is_asked_for_once_however_often_it_is_looked(line: Line) -> None:
    good = line.succeeded("staging", "v1")
    assert line.coming() == {
        "deployment": good.id, "version": "v1", "source": "staging", "blocked": None,
    }  # fmt: skip
    first = line.promotions()
    first()
    first()
    line.promotions()()
    (asked,) = line.there("production")
    assert (asked.kind, asked.version, asked.status) == ("deploy", "v1", Status.PENDING)
    assert asked.triggered_by == f"promotion:{good.id}"
    assert asked.options["promoted_from"] == good.id
    assert "force" not in asked.options, "never by itself, also where the one before was forced"
    assert line.coming() is None


def test_a_freeze_holds_it_back_until_it_is_lifted(line: Line) -> None:
    line.succeeded("staging", "v1")
    new = NewFreeze("*", "production", "the sale", "cli:ana", starts_at=0)
    found = line.store.add_freeze(new)
    line.promotions()()
    assert line.there("production") == []
    assert found.id in line.coming()["blocked"]
    line.store.lift_freeze(found.id, "cli:ana")
    line.promotions()()
    assert len(line.there("production")) == 1


def test_many_who_look_at_once_ask_once(line: Line) -> None:
    line.succeeded("staging", "v1")
    gate, errors = threading.Barrier(6), []

    def look() -> None:
        promotions = line.promotions()
        gate.wait()
        try:
            promotions()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(line.there("production")) == 1


def test_one_who_died_before_or_after_it_asked_is_followed_by_another(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.succeeded("staging", "v1")

    class Died(BaseException):
        """Ends a process in the middle of something."""

    dying = [""]

    def die(place: str) -> None:
        if place == dying[0]:
            raise Died

    monkeypatch.setattr("fraisier.store.requests.failpoint", die)
    for dying[0], left in (("request.before_commit", 0), ("request.after_commit", 1)):
        with pytest.raises(Died):
            line.promotions()()
        assert len(line.there("production")) == left
    dying[0] = ""
    line.promotions()()
    assert len(line.there("production")) == 1


def test_a_chain_goes_on_from_each_to_the_next(line: Line) -> None:
    line.succeeded("dev", "v1")
    line.promotions()()
    (staged,) = line.there("staging")
    assert line.there("production") == []
    line.end(staged)
    line.promotions()()
    (last,) = line.there("production")
    assert (last.version, last.triggered_by) == ("v1", f"promotion:{staged.id}")


@pytest.mark.parametrize("status", [Status.FAILED, Status.ROLLED_BACK])
def test_only_the_last_that_ended_goes_on_and_only_as_a_success(line: Line, status: Status) -> None:
    line.succeeded("staging", "v1")
    line.end(line.ask("staging", "v2"), status)
    line.promotions()()
    assert line.there("production") == []


def test_nothing_goes_on_while_something_waits_or_runs_before(line: Line) -> None:
    line.succeeded("staging", "v1")
    newer = line.ask("staging", "v2")
    line.promotions()()
    assert line.there("production") == []
    line.deployments.cancel(newer.id, "cli:me")
    line.promotions()()
    assert [each.version for each in line.there("production")] == ["v1"]


def test_going_back_before_does_not_go_on(line: Line) -> None:
    line.succeeded("staging", "v1.0")
    line.end(line.deployments.rollback(Wish("api", "staging", "cli:me", version="v1.0")))
    line.promotions()()
    assert line.there("production") == []


def test_what_failed_is_not_tried_again(line: Line) -> None:
    line.succeeded("staging", "v1")
    line.promotions()()
    line.end(line.there("production")[0], Status.ROLLED_BACK)
    line.promotions()()
    assert len(line.there("production")) == 1


def test_a_held_environment_gets_it_once_it_is_unlocked(line: Line) -> None:
    held = line.end(line.ask("production", "v0"), Status.INTERRUPTED)
    line.succeeded("staging", "v1")
    line.promotions()()
    assert len(line.there("production")) == 1
    assert line.coming()["blocked"] == f"production is held by {held.id}"
    line.deployments.unlock("api", "production", "looked", "cli:me")
    line.promotions()()
    assert [each.version for each in line.there("production")] == ["v1", "v0"]


def test_what_somebody_asked_for_since_is_left_alone(line: Line) -> None:
    line.succeeded("staging", "v1")
    other = line.ask("production", "fix")
    line.promotions()()
    assert line.there("production") == [other]
    assert line.coming()["blocked"] == f"{other.id} was asked for since, by cli:me"


def test_promoted_by_hand_it_does_not_come_again(line: Line) -> None:
    line.succeeded("staging", "v1")
    line.deployments.promote(Wish("api", "production", "cli:me"), "staging")
    assert line.coming() is None
    line.promotions()()
    assert len(line.there("production")) == 1


@pytest.mark.parametrize(
    ("on_busy", "versions"),
    [("queue", ["v1", "v0"]), ("supersede", ["v1", "v0"]), ("reject", ["v0"])],
)
def test_a_busy_environment_is_treated_as_it_says(
    tmp_path: Path, on_busy: str, versions: list[str]
) -> None:
    line = Line(tmp_path, on_busy=on_busy)
    busy = line.ask("production", "v0")
    line.succeeded("staging", "v1")
    line.promotions()()
    assert [each.version for each in line.there("production")] == versions
    superseded = line.store.deployment(busy.id).status is Status.SUPERSEDED
    assert superseded == (on_busy == "supersede")
    if on_busy == "reject":
        assert line.coming()["blocked"] == f"production is busy with {busy.id}"
        line.end(busy)
        line.promotions()()
        assert [each.version for each in line.there("production")] == ["v1", "v0"]


def test_by_hand_means_by_hand(tmp_path: Path) -> None:
    line = Line(tmp_path, promote="manual")
    line.succeeded("staging", "v1")
    line.promotions()()
    assert line.there("production") == []
    assert line.coming() is None


def test_an_old_success_does_not_go_on(line: Line) -> None:
    good = line.succeeded("staging", "v1")
    target = line.catalogue.target("api", "production")
    assert good.completed_at is not None
    assert candidate(line.store, target, good.completed_at + WINDOW) is not None
    assert candidate(line.store, target, good.completed_at + WINDOW + 1) is None


def test_failed_tests_keep_it_there(line: Line) -> None:
    tests = ({"name": "e2e", "command": ["bin/e2e"], "timeout": 5},)
    targets = dict(line.catalogue.fraises["api"].targets)
    targets["staging"] = replace(targets["staging"], tests=tests)
    fraise = replace(line.catalogue.fraises["api"], targets=targets)
    line.catalogue = replace(line.catalogue, fraises={"api": fraise})
    line.deployments = Deployments(line.catalogue, line.store, line.repositories, Inventories())
    running = begin(line.store, line.ask("staging", "v1").id)
    failed = Fact("deployment.tested", "web-1", {"passed": False, "why": "the test `e2e` …"})
    line.store.record(running, [failed])
    line.store.finish(running, Status.SUCCESS, "")
    line.promotions()()
    assert line.there("production") == []
    assert "the test `e2e`" in line.coming()["blocked"]


def test_a_request_that_cannot_be_made_is_tried_again_later(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.succeeded("staging", "v1")
    clock, tries = [0.0], []

    def away(*_: object) -> str:
        tries.append(clock[0])
        if clock[0] < 40:
            raise VersionNotFound("the repository does not answer")
        return "v1"

    monkeypatch.setattr(line.repositories, "resolve", away)
    monkeypatch.setattr(line.deployments, "_seen", lambda *_: None)
    promotions = Promotions(line.catalogue, line.store, line.deployments, clock=lambda: clock[0])
    for clock[0] in (0.0, 1.0, 29.0, 31.0, 62.0, 63.0):
        promotions()
    assert tries == [0.0, 31.0, 62.0]
    assert len(line.there("production")) == 1


def test_a_defect_with_one_target_keeps_no_other_waiting(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.succeeded("staging", "v1")
    line.succeeded("dev", "v2")
    go_on, tries = line.deployments.go_on_from, []

    def broken(found: Deployment, wish: Wish, *more: Any) -> Any:
        tries.append(wish.environment)
        return 1 // (wish.environment != "production") and go_on(found, wish, *more)

    monkeypatch.setattr(line.deployments, "go_on_from", broken)
    promotions = line.promotions()
    promotions()
    promotions()
    assert tries == ["production", "staging"], "and it is tried again later"
    assert [each.version for each in line.there("staging")] == ["v2", "v1"]


def test_what_came_between_is_seen(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.succeeded("staging", "v1")

    def slow(*_: object) -> str:
        monkeypatch.undo()
        line.ask("staging", "v2")
        return "v1"

    monkeypatch.setattr(line.repositories, "resolve", slow)
    line.promotions()()
    assert line.there("production") == []


def test_a_server_brings_a_version_through_the_whole_line(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "SWEEP_SECONDS", 0.05)
    began, bell, stop = now(), Bell(), Stop()
    member = Membership(line.store, NewWorker("me", "serve", {}, 4))
    parts = (line.catalogue, line.store, ScriptedRunner, bell, member, 5.0)
    worker = QueueWorker(*parts, promote=line.promotions())
    thread = threading.Thread(target=worker.serve, args=(stop,))
    thread.start()
    try:
        line.ask("dev", "v1")
        until(lambda: [d.status for d in line.there("production")] == [Status.SUCCESS])
    finally:
        stop.drain.set()
        thread.join(20)
    told = line.store.deployments(Filter("api", since=began))
    assert {(each.target.environment, each.version) for each in told} == {
        ("dev", "v1"), ("staging", "v1"), ("production", "v1"),
    }  # fmt: skip
    assert len(told) == 3


def test_after_one_that_was_cut_short_and_left_so_nothing_goes_on(line: Line) -> None:
    line.succeeded("staging", "v1")
    line.end(line.ask("staging", "v2"), Status.CANCELLED)
    assert line.coming() is not None, "it went back to what had succeeded"
    left = replace(line.catalogue.target("api", "staging"), auto_rollback=False)
    line.targets["staging"] = left
    line.end(line.ask("staging", "v3"), Status.CANCELLED)
    assert line.coming() is None
