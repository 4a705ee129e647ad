"""Strategies walked on scripted hosts: who is asked what, and what is put back however it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import LeaseLost, Refused, UsageError
from fraisier.domain.plan import Work
from fraisier.domain.strategy import StrategyConfig
from fraisier.engine import execution, holding, undrain
from fraisier.engine.deployments import Wish
from fraisier.engine.recovery import settle
from support.fakes import begin
from support.strategies import HELD, THREE, TWO, World, at, behind, canary, dead

# --- canary and blue-green ---------------------------------------------------------------


def test_a_canary_stages_shifts_and_promotes(tmp_path: Path) -> None:
    world = World(tmp_path, *TWO, **canary())
    ended = world.deploy()
    assert ended.status is Status.SUCCESS
    assert world.steps() == [
        ("preflight", TWO), ("stage", ("web-1",)), ("stage", ("web-2",)),
        ("shift", TWO), ("shift", TWO), ("promote", TWO),
    ]  # fmt: skip
    asked = [w.request["traffic"] for w in world.runner.works if w.verb == "shift"]
    assert [(each["weight"], each["seconds"]) for each in asked] == [(10, 30), (50, 30)]
    assert world.runner.serving == dict.fromkeys(TWO, "v2")
    placed = world.store.placements("api", "production")
    assert {name: each.version for name, each in placed.items()} == dict.fromkeys(TWO, "v2")


def test_every_request_tells_of_the_proxy(tmp_path: Path) -> None:
    world = World(tmp_path, *TWO, **canary())
    world.deploy()
    assert all(work.request["proxy"]["local"] is True for work in world.runner.works)


def test_blue_green_moves_no_traffic_before_every_host_is_staged(tmp_path: Path) -> None:
    world = World(tmp_path, *TWO, strategy="blue-green")
    world.runner.before_step = at("promote", lambda _w: world.runner.staged == TWO)
    assert world.deploy().status is Status.SUCCESS
    assert [verb for verb, _ in world.steps()] == ["preflight", "stage", "stage", "promote"]


def test_a_failed_stage_takes_back_what_is_staged_and_no_request_ever_met_it(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, *TWO, strategy="blue-green", bad={"web-2": ("v2", "gate")})
    ended = world.deploy()
    assert ended.status is Status.ROLLED_BACK
    assert world.steps("restore", "promote") == [("restore", TWO)]
    assert world.runner.staged == {}
    assert world.runner.serving == dict.fromkeys(TWO, "v1")
    assert world.runner.marked_bad == {("web-1", "v2"), ("web-2", "v2")}


def test_a_stage_that_tidied_up_after_itself_ends_as_any_failed_stage(tmp_path: Path) -> None:
    world = World(tmp_path, "web-1", strategy="blue-green", bad={"web-1": ("v2", "tidy")})
    ended = world.deploy()
    assert ended.status is Status.ROLLED_BACK
    assert ended.reason.endswith("the earlier release has served all the while on web-1")
    assert world.steps("restore") == [("restore", ("web-1",))]


def test_a_stage_that_made_nothing_changes_no_host(tmp_path: Path) -> None:
    world = World(tmp_path, "web-1", strategy="blue-green", bad={"web-1": ("v2", "build")})
    ended = world.deploy()
    assert ended.status is Status.FAILED
    assert "no host was changed" in ended.reason


def test_the_first_host_whose_analysis_fails_ends_the_shift_of_all_and_all_go_back(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, *THREE, **canary())
    world.runner.shifts[("web-2", 50)] = "analysis_failed"
    ended = world.deploy()
    assert ended.status is Status.ROLLED_BACK
    assert "web-2: analysis failed [analysis_failed]" in ended.reason
    after = world.steps()[world.steps().index(("shift", THREE)) + 2 :]
    assert after == [("probe", ("web-1", "web-3")), ("restore", THREE)]
    assert world.runner.works[-2].request["stop"] is True
    assert world.runner.staged == {}
    assert world.runner.serving == dict.fromkeys(THREE, "v1")
    assert {name for name, _ in world.runner.marked_bad} == set(THREE)


def test_a_canary_that_is_cancelled_gives_the_traffic_back_and_marks_nothing_bad(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, *TWO, **canary())
    world.runner.before_step = at("shift", lambda _work: setattr(world, "cancel", True))
    ended = world.deploy()
    assert ended.status is Status.CANCELLED
    assert world.runner.staged == {}
    assert world.runner.marked_bad == set()
    assert world.steps("restore") == [("restore", TWO)]


def test_a_host_that_falls_silent_in_a_shift_is_looked_at_before_all_go_back(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, *TWO, **canary())
    world.runner.shifts[("web-1", 10)] = "unknown"
    ended = world.deploy()
    assert ended.status is Status.ROLLED_BACK
    assert "probe" in [verb for verb, _ in world.steps()]
    assert world.runner.staged == {}


def test_hosts_that_serve_the_version_already_are_left_out_of_the_traffic(tmp_path: Path) -> None:
    world = World(tmp_path, *TWO, **canary())
    world.runner.serving["web-1"] = "v2"
    assert world.deploy().status is Status.SUCCESS
    assert set(world.steps("shift", "promote")) == {("shift", ("web-2",)), ("promote", ("web-2",))}
    world.runner.works.clear()
    ended = world.deploy()
    assert "nothing was changed" in ended.reason
    assert world.steps("shift", "promote") == []


def test_without_automatic_rollback_what_is_staged_is_left_and_named(tmp_path: Path) -> None:
    world = World(tmp_path, "web-1", auto_rollback=False, **canary())
    world.runner.shifts[("web-1", 10)] = "analysis_failed"
    ended = world.deploy()
    assert ended.status is Status.FAILED
    assert "left as they are: web-1" in ended.reason
    assert world.runner.weights["web-1"] == 0


def test_each_host_goes_back_to_its_own_last_release(tmp_path: Path) -> None:
    world = World(tmp_path, *THREE, strategy="rolling", bad={"web-3": ("v2", "gate")})
    world.runner.serving = {"web-1": "v0", "web-2": "v1", "web-3": "v1"}
    ended = world.deploy()
    assert ended.status is Status.ROLLED_BACK
    assert world.runner.serving == {"web-1": "v0", "web-2": "v1", "web-3": "v1"}
    states = {each.host: each.release for each in world.store.host_records(ended.id)}
    assert states == {"web-1": "v0", "web-2": "v1", "web-3": "v1"}


# --- pauses ------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(execution, "WATCH_SECONDS", 0)


def while_held(world: World, monkeypatch: pytest.MonkeyPatch, do: Callable[[str], Any]) -> None:
    """Do something, once, as soon as a deployment waits for a person."""
    found, done = world.store.deployment, []

    def look(deployment_id: str) -> Deployment:
        deployment = found(deployment_id)
        if deployment.paused and not done:
            done.append(True)
            do(deployment_id)
        return found(deployment_id)

    monkeypatch.setattr(world.store, "deployment", look)


@pytest.mark.usefixtures("quick")
def test_a_step_that_says_resume_waits_for_a_person_and_then_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, *TWO, **canary(steps=HELD))
    while_held(world, monkeypatch, lambda one: world.deployments.resume(one, "tok_1"))
    ended = world.deploy()
    assert ended.status is Status.SUCCESS
    assert not ended.paused
    assert ended.resume_requested_by == "tok_1"
    paused, resumed = (
        [event for event in world.store.events(ended.id) if event.type == f"deployment.{name}"]
        for name in ("paused", "resumed")
    )
    assert [event.data["weight"] for event in paused] == [10]
    assert [event.data["by"] for event in resumed] == ["tok_1"]
    shift = next(work for work in world.runner.works if work.verb == "shift")
    assert shift.request["traffic"] == {"weight": 10, "seconds": 0, "analysis": []}


@pytest.mark.usefixtures("quick")
def test_each_pause_asks_for_a_wish_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (*HELD, {"weight": 50, "pause": "resume"})
    world = World(tmp_path, "web-1", **canary(steps=steps))
    wishes: list[str] = []

    def wish(one: str) -> None:
        wishes.append(one)
        world.deployments.resume(one, "tok_1")

    found = world.store.deployment

    def look(deployment_id: str) -> Deployment:
        deployment = found(deployment_id)
        if deployment.paused and deployment.resume_requested_at is None:
            wish(deployment_id)
        return deployment

    monkeypatch.setattr(world.store, "deployment", look)
    assert world.deploy().status is Status.SUCCESS
    assert len(wishes) == 2


@pytest.mark.usefixtures("quick")
def test_what_cannot_be_judged_is_left_to_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, *TWO, **canary())
    world.runner.shifts[("web-2", 10)] = "inconclusive"
    while_held(world, monkeypatch, lambda one: world.deployments.resume(one, "tok_1"))
    ended = world.deploy()
    assert ended.status is Status.SUCCESS
    (paused,) = [e for e in world.store.events(ended.id) if e.type == "deployment.paused"]
    assert "on web-2 (errors: no requests came)" in paused.data["why"]


@pytest.mark.usefixtures("quick")
def test_a_paused_deployment_that_is_cancelled_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, *TWO, **canary(steps=HELD))
    while_held(world, monkeypatch, lambda one: world.deployments.cancel(one, "tok_1"))
    ended = world.deploy()
    assert ended.status is Status.CANCELLED
    assert "while it was paused" in ended.reason
    assert not ended.paused
    assert world.runner.staged == {}
    assert world.runner.serving == dict.fromkeys(TWO, "v1")


@pytest.mark.usefixtures("quick")
def test_the_time_that_a_person_takes_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("fraisier.engine.attempt.time.monotonic", lambda: clock[0])
    world = World(tmp_path, "web-1", **canary(steps=HELD))

    def think(one: str) -> None:
        clock[0] += 5000
        world.deployments.resume(one, "tok_1")

    while_held(world, monkeypatch, think)
    assert world.deploy().status is Status.SUCCESS
    assert world.runner.works[-1].verb == "promote"
    assert world.runner.works[-1].timeout > 500


@pytest.mark.usefixtures("quick")
def test_a_paused_deployment_waits_no_longer_once_its_lease_is_lost(tmp_path: Path) -> None:
    world = World(tmp_path, "web-1", **canary(steps=HELD))
    asked = world.deployments.deploy(Wish("api", "production", "cli:test", "v2"))
    claimed = begin(world.store, asked.id)
    valid = lambda: "deployment.paused" not in world.types(claimed)  # noqa: E731
    with pytest.raises(LeaseLost):
        execution.execute(
            claimed, world.catalogue, world.store, world.runner, print, lambda: False, valid
        )
    assert world.store.deployment(asked.id).paused


def test_only_a_paused_deployment_can_be_resumed(tmp_path: Path) -> None:
    world = World(tmp_path, "web-1", **canary())
    asked = world.deployments.deploy(Wish("api", "production", "cli:test", "v2"))
    with pytest.raises(Refused, match="is not paused"):
        world.deployments.resume(asked.id, "tok_1")
    ended = world.deploy("v3") if world.deployments.cancel(asked.id, "tok_1") else asked
    with pytest.raises(Refused, match="has ended already"):
        world.deployments.resume(ended.id, "tok_1")


@pytest.mark.usefixtures("quick")
def test_a_cancelled_canary_gives_its_part_back_where_releases_are_left_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, "web-1", auto_rollback=False, **canary(steps=HELD))
    while_held(world, monkeypatch, lambda one: world.deployments.cancel(one, "tok_1"))
    assert world.deploy().status is Status.CANCELLED
    assert (world.runner.weights, world.runner.staged) == ({}, {})


@pytest.mark.parametrize("trouble", ["lost", "stuck"])
def test_a_host_whose_balancer_could_not_be_told_is_not_called_unchanged(
    tmp_path: Path, trouble: str
) -> None:
    world = behind(tmp_path, "web-1", bad={"web-1": ("v2", trouble)})
    world.runner.healed = False
    ended = world.deploy()
    assert ended.status in (Status.INTERRUPTED, Status.ROLLBACK_FAILED)
    assert world.store.held("api", "production") == ended.id


# --- proxies on hosts of their own -------------------------------------------------------


LBS = ("lb-1", "lb-2")


def test_each_batch_is_drained_while_it_changes(tmp_path: Path) -> None:
    world = behind(tmp_path, *TWO)
    seen: list[tuple[str, set[str]]] = []
    world.runner.before_step = at(
        "deploy", lambda work: seen.append((work.hosts[0].name, set(world.runner.away)))
    )
    assert world.deploy().status is Status.SUCCESS
    assert seen == [("web-1", {"web-1"}), ("web-2", {"web-2"})]
    assert world.runner.away == set()
    drain = next(work for work in world.runner.works if work.verb == "drain")
    assert [host.name for host in drain.hosts] == list(LBS)
    assert list(drain.request["fence"]["lb-1"]) == ["turn"]
    assert drain.request["proxy"]["servers"]["web-2"] == {"address": "web-2", "port": 9000}
    assert drain.become is True
    assert set(world.store.placements("api", "production")) == set(TWO)


@pytest.mark.parametrize("trouble", ["gate", "build", "unreachable", "lost", "stuck"])
def test_whatever_goes_wrong_nothing_stays_drained(tmp_path: Path, trouble: str) -> None:
    world = behind(tmp_path, *TWO, bad={"web-2": ("v2", trouble)})
    ended = world.deploy()
    assert ended.status.terminal
    assert ended.status is not Status.SUCCESS
    assert world.runner.away == set()


def test_a_first_release_that_is_bad_leaves_a_proxy_nothing_to_wait_for(tmp_path: Path) -> None:
    world = behind(tmp_path, *TWO, bad={"web-1": ("v2", "gate")})
    world.runner.serving.clear()
    ended = world.deploy()
    assert ended.status is Status.FAILED
    assert "there was no earlier release, so the service was stopped" in ended.reason
    assert (world.runner.serving, world.runner.away) == ({"web-1": None}, set())


def test_a_release_that_was_down_before_gets_its_requests_and_holds_nothing(tmp_path: Path) -> None:
    world = behind(tmp_path, "web-1", bad={"web-1": ("v2", "build")})
    world.runner.down = {"web-1"}
    ended = world.deploy()
    assert ended.status is Status.FAILED
    assert world.store.held("api", "production") is None
    assert world.runner.away == set()


@pytest.mark.parametrize("verb", ["drain", "deploy", "undrain"])
def test_a_cancelled_roll_out_leaves_nothing_drained(tmp_path: Path, verb: str) -> None:
    world = behind(tmp_path, *TWO)
    world.runner.before_step = at(verb, lambda _work: setattr(world, "cancel", True))
    ended = world.deploy()
    assert ended.status is Status.CANCELLED
    assert world.runner.away == set()
    assert set(world.runner.serving.values()) == {"v1"}


def test_without_automatic_rollback_nothing_stays_drained_either(tmp_path: Path) -> None:
    world = behind(tmp_path, "web-1", auto_rollback=False, bad={"web-1": ("v2", "gate")})
    assert world.deploy().status is Status.FAILED
    assert world.runner.away == set()


def test_a_proxy_that_cannot_be_reached_to_drain_ends_it_before_any_host_changes(
    tmp_path: Path,
) -> None:
    world = behind(tmp_path, *TWO)
    world.runner.failing["drain"] = {"lb-2"}
    ended = world.deploy()
    assert ended.status is Status.FAILED
    assert ended.reason.startswith("lb-2: no drain [drain_failed]")
    assert world.steps("deploy") == []
    assert world.runner.away == set()


def test_a_proxy_that_cannot_be_reached_to_undrain_is_named_with_the_hosts(tmp_path: Path) -> None:
    world = behind(tmp_path, *TWO)
    world.runner.failing["undrain"] = {"lb-1"}
    ended = world.deploy()
    assert ended.status is Status.ROLLBACK_FAILED
    assert "lb-1 may still send no requests to web-1" in ended.reason
    assert world.store.held("api", "production") == ended.id
    assert world.runner.serving["web-1"] == "v1"


def test_a_proxy_that_answers_the_second_time_is_enough(tmp_path: Path) -> None:
    world = behind(tmp_path, "web-1", bad={"web-1": ("v2", "build")})
    world.runner.failing["undrain"] = {"lb-1"}

    def second(_work: Work) -> None:
        if len(world.steps("undrain")) == 2:
            world.runner.failing.clear()

    world.runner.before_step = at("undrain", second)
    ended = world.deploy()
    assert ended.status is Status.FAILED
    assert "no host was changed" in ended.reason
    assert world.steps("undrain") == [("undrain", LBS), ("undrain", ("lb-1",))]


def test_the_way_back_has_a_deadline_of_its_own(tmp_path: Path) -> None:
    pace = StrategyConfig(progress_deadline=100, rollback_deadline=3000)
    world = behind(tmp_path, "web-1", strategy_config=pace, bad={"web-1": ("v2", "gate")})
    world.deploy()
    times = {work.verb: work.timeout for work in world.runner.works}
    assert times["deploy"] <= 100
    assert times["restore"] > 2000


# --- what the dead left ------------------------------------------------------------------


def test_what_a_dead_worker_had_drained_is_undrained(tmp_path: Path) -> None:
    world = behind(tmp_path, *TWO)
    world.runner.away = {"web-2"}
    left = dead(world)
    settle(left, world.catalogue, world.store, world.runner, lambda: True, "its worker died")
    assert world.runner.away == set()
    ended = world.store.deployment(left.id)
    assert ended.status is Status.INTERRUPTED
    assert "lb-1" not in ended.reason


def test_a_proxy_that_a_recovery_cannot_reach_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = behind(tmp_path, *TWO)
    monkeypatch.setattr(undrain, "SECONDS", 3.1)
    world.runner.failing["undrain"] = {"lb-2"}
    left = dead(world)
    settle(left, world.catalogue, world.store, world.runner, lambda: True, "its worker died")
    assert "lb-2 may still send no requests to" in world.store.deployment(left.id).reason


def test_a_recovery_asks_hosts_with_colours_to_give_the_traffic_back(tmp_path: Path) -> None:
    world = World(tmp_path, *TWO, **canary())
    settle(dead(world), world.catalogue, world.store, world.runner, lambda: True, "it died")
    (probe,) = world.runner.works
    assert (probe.request["stop"], probe.request["proxy"]["local"]) == (True, True)
    assert world.runner.weights == dict.fromkeys(TWO, 0)


# --- what is refused ---------------------------------------------------------------------


def test_what_cannot_be_carried_out_is_refused_before_anything_is_recorded(tmp_path: Path) -> None:
    world = World(tmp_path, "web-1", proxy=None)
    with pytest.raises(UsageError, match="needs a proxy"):
        world.deploy()
    with pytest.raises(UsageError, match="canary has no steps"):
        World(tmp_path, "web-1").deploy()
    assert world.runner.works == []


def test_a_target_of_an_earlier_version_is_still_worked_on(tmp_path: Path) -> None:
    world = World(tmp_path, "web-1", strategy="rolling", proxy=None)
    assert world.deploy().status is Status.SUCCESS
    assert isinstance(world.target, Target)
    assert "proxy" not in world.runner.works[0].request
