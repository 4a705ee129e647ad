"""The tests of an environment: what they change, what they do not, and what they let go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.catalogue import Catalogue, Fraise
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import Refused
from fraisier.domain.event import Fact
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Work
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.worker import Worker
from support.fakes import PROVIDER, Inventories, Repositories, ScriptedRunner, joined, make_target
from support.records import open_records

ABLE = replace(PROVIDER, playbooks={**PROVIDER.playbooks, "app": "app"})
TESTS = tuple({"name": n, "command": [f"bin/{n}"], "timeout": 5} for n in ("first", "second"))


class HostsWithTests(ScriptedRunner):
    """Hosts on which a test ends as `results` say by its command: a status, or an error's code."""

    def __init__(self) -> None:
        super().__init__()
        self.results: dict[str, int | str] = {}
        self.asked: list[tuple[tuple[str, ...], Any]] = []
        self.cancel = False

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Do the work; a test ends at once."""
        if work.verb != "app":
            return super().run(work, on_facts, cancelled)
        names = tuple(host.name for host in work.hosts)
        self.asked.append((names, work.request["app"]))
        if self.cancel:
            lost = {name: HostOutcome(name, "unknown", {}, {"code": "cancelled", "message": "x"})
                    for name in names}  # fmt: skip
            return Outcome("cancelled", lost)
        result = self.results.get(work.request["app"]["argv"][0], 0)
        if isinstance(result, str):
            error = {"code": result, "message": "no answer", "hint": ""}
            return Outcome("done", {names[0]: HostOutcome(names[0], "unknown", {}, error)})
        told = {"exit_status": result, "output": "what it said", "timed_out": result == -1}
        # a probe of what serves comes along, and must not be taken for what was deployed
        data = {"app": told, "release": None, "fence": None, "changed": True}
        return Outcome("done", {names[0]: HostOutcome(names[0], "ok", data)})


class World:
    """A staging with tests, and a production after it."""

    def __init__(self, folder: Path) -> None:
        staging = make_target("web-1", "web-2", environment="staging", tests=TESTS)
        production = make_target("web-9", after="staging")
        targets = {"staging": staging, "production": production}
        fraise = Fraise("api", "api", "", targets)
        catalogue = Catalogue("fraises.yaml", {"api": fraise}, {"bare_metal": ABLE})
        self.store = open_records(folder / "test.db")
        self.runner, self.member = HostsWithTests(), joined(self.store)
        self.deployments = Deployments(catalogue, self.store, Repositories(), Inventories())
        self.worker = Worker(catalogue, self.store, self.runner, self.member)

    def stage(self, version: str) -> Deployment:
        """Deploy to staging."""
        wish = Wish("api", "staging", "cli:test", version=version)
        return self.end(self.deployments.deploy(wish, self.member.id))

    def promote(self) -> Deployment:
        """Ask for what succeeded in staging in production."""
        return self.deployments.promote(Wish("api", "production", "cli:test"), "staging")

    def end(self, asked: Deployment) -> Deployment:
        """Carry a deployment out."""
        return self.worker.carry_out(asked, lambda _: None, lambda: False, lambda _: None)

    def tested(self, deployment: Deployment) -> list[dict[str, Any]]:
        """Return what a deployment's tests came to."""
        told = self.store.events(deployment.id, kind="deployment.tested")
        return [dict(event.data) for event in told]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world of its own."""
    return World(tmp_path)


def test_tests_run_once_on_the_first_host_after_all_hosts_are_done(world: World) -> None:
    ended = world.stage("v1")
    assert ended.status is Status.SUCCESS
    assert ended.reason == ""
    asked = [(hosts, each["action"], each["argv"]) for hosts, each in world.runner.asked]
    assert asked == [
        (("web-1",), "exec", ["bin/first"]),
        (("web-1",), "exec", ["bin/second"]),
    ]
    assert world.tested(ended) == [{"passed": True, "tests": 2}]
    assert world.store.placements("api", "staging")["web-1"].version == "v1"
    assert world.promote().version == "v1"
    events = world.store.events(ended.id)
    assert events[-1].type == "deployment.completed"
    assert "what it said" in next(e for e in events if e.type == "log.line").data["text"]


@pytest.mark.parametrize(
    ("result", "said"),
    [(3, "ended with 3"), (-1, "did not end within 5 s"), ("contact_lost", "[contact_lost]")],
)
def test_a_test_that_fails_leaves_a_success_that_goes_no_further(
    world: World, result: int | str, said: str
) -> None:
    world.runner.results["bin/first"] = result
    ended = world.stage("v1")
    assert ended.status is Status.SUCCESS
    assert said in ended.reason
    assert len(world.runner.asked) == 1, "the second test is not run"
    assert set(world.runner.serving.values()) == {"v1"}
    assert world.store.placements("api", "staging")["web-1"].version == "v1"
    (told,) = world.tested(ended)
    assert (told["passed"], told["test"]) == (False, "first")
    with pytest.raises(Refused, match="does not go on from api staging: the test `first`"):
        world.promote()
    named = Wish("api", "production", "cli:test", version="v1")
    with pytest.raises(Refused, match="does not go on from api staging"):
        world.deployments.deploy(named)
    assert world.deployments.deploy(replace(named, force=True)).version == "v1"


def test_deploying_again_tests_again(world: World) -> None:
    world.runner.results["bin/second"] = 1
    world.stage("v1")
    del world.runner.results["bin/second"]
    again = world.stage("v1")
    assert again.reason == "it was serving already; nothing was changed"
    assert world.promote().version == "v1"


def test_the_last_tests_of_a_version_count(world: World) -> None:
    world.stage("v1")
    world.runner.results["bin/second"] = 1
    world.stage("v1")
    with pytest.raises(Refused, match="`second` ended with 1"):
        world.promote()


def test_going_back_runs_no_tests_and_what_passed_before_may_go_on(world: World) -> None:
    world.stage("v1")
    world.runner.results["bin/first"] = 1
    world.stage("v2")
    world.runner.asked.clear()
    back = world.deployments.rollback(Wish("api", "staging", "cli:test"))
    assert world.end(back).status is Status.SUCCESS
    assert world.runner.asked == []
    assert world.promote().version == "v1"


def test_cancelled_while_it_is_tested_it_goes_back(world: World) -> None:
    world.stage("v1")
    world.runner.cancel = True
    ended = world.stage("v2")
    assert ended.status is Status.CANCELLED
    assert "serves again" in ended.reason
    assert set(world.runner.serving.values()) == {"v1"}
    assert world.tested(ended) == []


def test_a_snapshot_of_an_earlier_version_has_no_tests(world: World) -> None:
    target = make_target("one", tests=TESTS)
    assert type(target).from_json(target.as_json()) == target
    old = {key: value for key, value in target.as_json().items() if key not in ("tests", "promote")}
    assert type(target).from_json(old).tests == ()
    assert type(target).from_json(old).promote == "manual"
