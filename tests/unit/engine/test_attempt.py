"""A deployment walked to its end on scripted hosts: which state it ends in, and what is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import Refused, StoreError, VersionNotFound
from fraisier.domain.event import Event
from fraisier.domain.plan import Work
from fraisier.domain.ports import Filter
from fraisier.domain.strategy import StrategyConfig
from fraisier.domain.worker import Waiting
from fraisier.engine import execution
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.worker import Worker
from support.fakes import (
    Inventories,
    Repositories,
    ScriptedRunner,
    begin,
    joined,
    make_catalogue,
    make_target,
)
from support.records import open_records


class World:
    """A store, scripted hosts and the verbs."""

    def __init__(self, folder: Path, target: Target, runner: ScriptedRunner) -> None:
        self.store = open_records(folder / "test.db")
        self.runner = runner
        catalogue = make_catalogue(target)
        self.deployments = Deployments(catalogue, self.store, Repositories(), Inventories())
        self.member = joined(self.store)
        self.worker = Worker(catalogue, self.store, runner, self.member)
        self.told: list[Event] = []
        self.cancel = False

    def deploy(self, version: str, **wish: Any) -> Deployment:
        return self._end(self.deployments.deploy(_wish(version=version, **wish), self.member.id))

    def rollback(self, **wish: Any) -> Deployment:
        return self._end(self.deployments.rollback(_wish(**wish)))

    def _end(self, deployment: Deployment) -> Deployment:
        return self.worker.carry_out(
            deployment, self.told.extend, lambda: self.cancel, lambda _blocker: None
        )

    def verbs(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(w.verb, tuple(host.name for host in w.hosts)) for w in self.runner.works]


def _wish(**more: Any) -> Wish:
    return Wish("api", "production", "cli:test", **more)


def make_world(folder: Path, *hosts: str, bad: Any = None, **target: Any) -> World:
    return World(folder, make_target(*hosts, **target), ScriptedRunner(bad))


THREE = ("web-1", "web-2", "web-3")


def test_one_host_takes_one_step(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    ended = world.deploy("v1")
    assert ended.status is Status.SUCCESS
    assert world.verbs() == [("deploy", ("web-1",))]
    assert world.store.placements("api", "production")["web-1"].version == "v1"


def test_several_hosts_are_looked_at_before_the_first_changes(tmp_path: Path) -> None:
    world = make_world(tmp_path, *THREE)
    assert world.deploy("v1").status is Status.SUCCESS
    assert world.verbs() == [("preflight", THREE), *(("deploy", (name,)) for name in THREE)]


def test_the_roll_out_stops_at_the_first_bad_batch_and_everything_goes_back(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path, *THREE, bad={"web-2": ("v2", "gate")})
    world.deploy("v1")
    world.runner.works.clear()
    ended = world.deploy("v2")
    assert ended.status is Status.ROLLED_BACK
    assert set(world.runner.serving.values()) == {"v1"}
    assert world.verbs()[1:] == [
        ("deploy", ("web-1",)),
        ("deploy", ("web-2",)),
        ("restore", ("web-2",)),
        ("restore", ("web-1",)),
    ]
    states = {r.host: r.state for r in world.store.host_records(ended.id)}
    assert states == {"web-1": "restored", "web-2": "restored", "web-3": "pending"}


def test_a_build_that_fails_leaves_nothing_to_go_back_from(tmp_path: Path) -> None:
    world = make_world(tmp_path, bad={"web-1": ("v2", "build")})
    world.deploy("v1")
    ended = world.deploy("v2")
    assert ended.status is Status.FAILED
    assert "no host was changed" in ended.reason
    assert world.runner.serving == {"web-1": "v1"}


def test_a_first_deployment_that_fails_stops_the_service_and_says_so(tmp_path: Path) -> None:
    world = make_world(tmp_path, bad={"web-1": ("v1", "gate")})
    ended = world.deploy("v1")
    assert ended.status is Status.FAILED
    assert "no earlier release" in ended.reason
    assert world.runner.works[-1].request["restore"] == {"web-1": None}


def test_a_host_that_falls_silent_is_looked_at_and_brought_back(tmp_path: Path) -> None:
    world = make_world(tmp_path, bad={"web-1": ("v2", "lost")})
    world.deploy("v1")
    world.runner.works.clear()
    ended = world.deploy("v2")
    assert world.verbs() == [(verb, ("web-1",)) for verb in ("deploy", "probe", "restore")]
    assert ended.status is Status.ROLLED_BACK
    assert world.runner.serving == {"web-1": "v1"}


def test_a_host_that_was_never_reached_is_not_touched_on_the_way_back(tmp_path: Path) -> None:
    world = make_world(tmp_path, bad={"web-1": ("*", "unreachable")})
    ended = world.deploy("v1")
    assert ended.status is Status.FAILED
    assert "no host was changed" in ended.reason
    assert set(world.verbs()) == {("deploy", ("web-1",))}


def test_a_rollback_that_fails_says_so_and_holds_the_target_until_it_is_unlocked(
    tmp_path: Path,
) -> None:  # I13
    world = make_world(tmp_path, bad={"web-1": ("v2", "stuck")})
    world.runner.serving["web-1"] = "v1"
    ended = world.deploy("v2")
    assert ended.status is Status.ROLLBACK_FAILED
    with pytest.raises(Refused, match=ended.id):
        world.deploy("v3")
    assert world.store.unlock("api", "production", "looked", "cli:test") == ended.id
    assert world.deploy("v3").status is Status.SUCCESS


def test_without_automatic_rollback_hosts_are_left_and_named(tmp_path: Path) -> None:
    world = make_world(tmp_path, bad={"web-1": ("v2", "gate")}, auto_rollback=False)
    world.deploy("v1")
    ended = world.deploy("v2")
    assert ended.status is Status.FAILED
    assert "left as they are: web-1" in ended.reason
    assert world.runner.serving == {"web-1": "v2"}


def test_a_cancelled_roll_out_brings_back_what_it_had_changed(tmp_path: Path) -> None:
    world = make_world(tmp_path, *THREE)
    world.deploy("v1")

    def cancel_at_the_second_host(work: Any) -> None:
        world.cancel = work.verb == "deploy" and work.hosts[0].name == "web-2"

    world.runner.before_step = cancel_at_the_second_host
    ended = world.deploy("v2")
    assert ended.status is Status.CANCELLED
    assert set(world.runner.serving.values()) == {"v1"}


def test_a_rollback_asked_for_goes_to_the_last_other_good_version(tmp_path: Path) -> None:
    world = make_world(tmp_path, *THREE, bad={"web-1": ("v3", "gate")})
    for version in ("v1", "v2", "v3"):
        world.deploy(version)
    ended = world.rollback(reason="because")
    assert (ended.kind, ended.status, ended.version) == ("rollback", Status.SUCCESS, "v1")
    assert set(world.runner.serving.values()) == {"v1"}


@pytest.mark.parametrize("needed", [True, False])
def test_only_a_rollback_asked_for_is_refused_without_the_headers_of_its_check(
    tmp_path: Path, needed: bool
) -> None:
    name = "header:health_check/X-Api-Key" if needed else "TOKEN"
    bad = {"web-1": ("v3", "gate")}
    world = make_world(tmp_path, bad=bad, secrets={name: {"env": "KEY"}})
    for version in ("v1", "v2", "v3"):
        world.deploy(version)
    world.rollback()
    required = [(work.verb, work.secrets_required) for work in world.runner.works]
    deployed, asked_for = ("deploy", True), ("restore", needed)
    assert required == [*[deployed] * 3, ("restore", False), asked_for]


def test_there_is_nothing_to_roll_back_to_on_a_new_target(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no successful deployment"):
        make_world(tmp_path).rollback()


def test_each_step_presents_the_fence_the_host_gave(tmp_path: Path) -> None:
    world = make_world(tmp_path, "web-1", "web-2")
    world.deploy("v1")
    fences = [work.request["fence"]["web-1"] for work in world.runner.works[:2]]
    assert [{**fence, "turn": None} for fence in fences] == [
        {"expected": 0, "number": None, "turn": None},
        {"expected": 0, "number": 1, "turn": None},
    ]


def test_each_step_for_a_target_has_a_higher_turn_than_any_before(tmp_path: Path) -> None:  # I5
    world = make_world(tmp_path, "web-1", "web-2", bad={"web-2": ("v2", "gate")})
    world.deploy("v1")
    world.deploy("v2")
    turns = [[fence["turn"] for fence in w.request["fence"].values()] for w in world.runner.works]
    each = [turn for turn, *_ in turns]
    assert all(len(set(step)) == 1 for step in turns)
    assert each == sorted(set(each))


def test_an_attempt_that_breaks_off_is_recorded_as_interrupted(tmp_path: Path) -> None:
    world = make_world(tmp_path)

    def break_off(_work: Any) -> None:
        raise ZeroDivisionError

    world.runner.before_step = break_off
    with pytest.raises(ZeroDivisionError):
        world.deploy("v1")
    assert world.store.held("api", "production") is not None


def test_the_log_of_every_end_is_gapless_and_completed_once(tmp_path: Path) -> None:
    world = make_world(tmp_path, *THREE, bad={"web-3": ("v2", "gate")})
    for version in ("v1", "v2"):
        world.told.clear()
        ended = world.deploy(version)
        recorded = world.store.events(ended.id)
        assert [event.sequence for event in recorded] == list(range(1, len(recorded) + 1))
        assert [event.id for event in world.told] == [event.id for event in recorded]
        assert [e.type for e in recorded].count("deployment.completed") == 1
        assert recorded[-1].type == "deployment.completed"


def test_a_deployment_that_another_process_began_is_waited_for_and_not_run_again(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    asked = world.deployments.deploy(_wish(version="v1", idempotency_key="k"))
    begun = begin(world.store, asked.id)
    again = world.deployments.deploy(_wish(version="v1", idempotency_key="k"))
    looks = iter(range(100))

    def waiting() -> bool:
        if next(looks) == 2:  # after the first look, the other process comes to its end
            world.store.finish(begun, Status.SUCCESS, "by the other")
        return False

    ended = world.worker.carry_out(again, world.told.extend, waiting, lambda _blocker: None)
    assert ended.id == asked.id
    assert (ended.status, ended.reason) == (Status.SUCCESS, "by the other")
    assert world.runner.works == []


def test_a_deployment_that_waits_is_cancelled_by_its_own_command(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first = world.deployments.deploy(_wish(version="v1"))
    begin(world.store, first.id)
    world.cancel = True
    waiting = world.deploy("v2")
    assert waiting.status is Status.CANCELLED
    assert "before it began" in waiting.reason
    assert world.runner.works == []


def test_a_deployment_that_waits_can_be_cancelled_by_anybody(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first = world.deployments.deploy(_wish(version="v1"))
    begin(world.store, first.id)
    asked = world.deployments.deploy(_wish(version="v2"))

    def cancel(waits: Waiting) -> None:
        assert waits.blocked_by == first.id
        world.deployments.cancel(asked.id, "tok_1")

    ended = world.worker.carry_out(asked, world.told.extend, lambda: False, cancel)
    assert ended.status is Status.CANCELLED
    assert world.runner.works == []


def test_a_recorded_wish_stops_a_roll_out_that_a_command_carries_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "WATCH_SECONDS", 0)
    world = make_world(tmp_path, *THREE)
    world.deploy("v1")

    def wish(work: Work) -> None:
        if work.verb == "deploy" and work.hosts[0].name == "web-2":
            world.deployments.cancel(work.deployment_id, "tok_1")

    world.runner.before_step = wish
    ended = world.deploy("v2")
    assert ended.status is Status.CANCELLED
    assert ended.cancel_requested_by == "tok_1"
    assert world.runner.serving == dict.fromkeys(THREE, "v1")


def test_a_version_seen_here_may_be_named_by_its_first_characters(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    with pytest.raises(VersionNotFound):
        world.deploy("nope")
    world.deploy("nope-but-longer")
    assert world.deploy("nope").version == "nope-but-longer"
    world.deploy("nope-and-another")
    with pytest.raises(VersionNotFound):
        world.deploy("nope")


def test_a_roll_out_cancelled_while_it_looks_is_cancelled_once_every_host_has_stopped(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path, *THREE)
    world.runner.before_step = lambda work: setattr(world, "cancel", work.verb == "preflight")
    ended = world.deploy("v1")
    assert ended.status is Status.CANCELLED
    assert world.verbs() == [("preflight", THREE), ("probe", THREE)]
    assert world.runner.works[-1].request["stop"] is True


def test_a_cancel_that_a_host_does_not_confirm_is_an_interruption(tmp_path: Path) -> None:
    world = make_world(tmp_path, *THREE)
    world.runner.silent = {"web-2"}
    world.runner.before_step = lambda work: setattr(world, "cancel", work.verb == "preflight")
    ended = world.deploy("v1")
    assert ended.status is Status.INTERRUPTED
    assert "unseen: web-2" in ended.reason


def test_a_restart_that_fails_is_not_called_no_change(tmp_path: Path) -> None:
    world = make_world(tmp_path, bad={"web-1": ("v1", "restart")})
    ended = world.deploy("v1")
    assert ended.status is Status.FAILED
    assert "restarted on web-1" in ended.reason
    assert "no host was changed" not in ended.reason


def test_a_host_where_nothing_ran_anew_is_not_called_restarted(tmp_path: Path) -> None:
    world = make_world(tmp_path, bad={"web-1": ("v1", "files")})
    ended = world.deploy("v1")
    assert ended.status is Status.FAILED
    assert "restarted" not in ended.reason
    assert "changed on web-1: files" in ended.reason


def test_of_hosts_that_go_back_each_is_named_with_what_became_of_it(tmp_path: Path) -> None:
    world = make_world(tmp_path, "web-1", "web-2", bad={"web-2": ("v2", "gate")})
    world.runner.serving["web-1"] = "v1"
    ended = world.deploy("v2")
    assert ended.status is Status.ROLLED_BACK
    assert "serves again on web-1" in ended.reason
    assert "stopped on web-2, where there was no earlier release" in ended.reason


@pytest.mark.parametrize(
    ("deadline_back", "limits"),
    [(None, {"progress_deadline (90 s)"}),
     (70.0, {"progress_deadline (90 s)", "rollback_deadline (70 s)"})],
)  # fmt: skip
def test_each_step_names_the_setting_that_bounds_it(
    tmp_path: Path, deadline_back: float | None, limits: set[str]
) -> None:
    pace = StrategyConfig(progress_deadline=90, rollback_deadline=deadline_back)
    world = make_world(tmp_path, *THREE, bad={"web-2": ("v2", "gate")}, strategy_config=pace)
    world.deploy("v2")
    assert {work.limit for work in world.runner.works} == limits


@pytest.mark.parametrize(
    ("service", "named"),
    [({"build": ["make"], "build_timeout": 1800}, True), ({"build_timeout": 1800}, True),
     ({"build": [], "build_timeout": 1800}, False), ({"build_timeout": 60}, False), ({}, False)],
)  # fmt: skip
def test_a_build_that_the_deadline_of_the_deployment_ends_names_both(
    tmp_path: Path, service: dict[str, Any], named: bool
) -> None:
    world = make_world(tmp_path, service=service)
    world.deploy("v1")
    (limit,) = {work.limit for work in world.runner.works}
    assert "progress_deadline (600 s)" in limit
    assert ("build_timeout (1800 s)" in limit) == named


def test_records_that_fail_in_the_middle_never_claim_that_nothing_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    record = world.store.record
    calls = iter(range(100))

    def full(*arguments: Any, **more: Any) -> Any:
        if next(calls) == 2:  # the first facts of the run itself
            raise StoreError("the disk is full")
        return record(*arguments, **more)

    monkeypatch.setattr(world.store, "record", full)
    with pytest.raises(StoreError):
        world.deploy("v1")
    (ended,) = world.store.deployments(Filter())
    assert ended.status is Status.INTERRUPTED
    assert world.store.held("api", "production") == ended.id


def test_a_request_that_waits_is_given_up_once_its_target_is_held(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first = world.deployments.deploy(_wish(version="v1"))
    begun = begin(world.store, first.id)
    second = world.deployments.deploy(_wish(version="v2"))
    world.store.finish(begun, Status.INTERRUPTED, "its process died")
    with pytest.raises(Refused, match=f"is held: {first.id} is interrupted") as refused:
        world.worker.carry_out(second, world.told.extend, lambda: False, lambda _blocker: None)
    assert "fraisier unlock api production" in refused.value.hint
    given_up = world.store.deployment(second.id)
    assert given_up.status is Status.CANCELLED
    assert first.id in given_up.reason
    assert "cancelled by" not in given_up.reason
    assert world.runner.works == []


def test_what_served_before_the_first_deployment_can_be_gone_back_to(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.runner.serving["web-1"] = "by-hand"
    world.deploy("v1.0")
    ended = world.rollback()
    assert (ended.status, ended.version) == (Status.SUCCESS, "by-hand")
    assert world.runner.serving["web-1"] == "by-hand"
    assert world.rollback(version="v1.0").version == "v1.0"


def test_a_version_that_was_found_bad_since_is_not_gone_back_to(tmp_path: Path) -> None:
    world = make_world(tmp_path, *THREE)
    for version in ("v1.1", "v2.2", "v3.3"):
        world.deploy(version)
    world.runner.bad = {"web-2": ("v2.2", "gate")}
    assert world.deploy("v2.2").status is Status.ROLLED_BACK
    world.runner.bad = {}
    assert world.rollback().version == "v1.1"
    assert set(world.runner.serving.values()) == {"v1.1"}


def test_a_bad_version_can_still_be_named_and_is_good_again_once_it_serves(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    world.deploy("v1.1")
    world.deploy("v2.2")
    world.runner.bad = {"web-1": ("v1.1", "gate")}
    world.deploy("v1.1")
    world.runner.bad = {}
    with pytest.raises(Refused, match="was found bad since"):
        world.rollback()
    assert world.rollback(version="v1.1").status is Status.SUCCESS
    assert world.rollback().version == "v2.2"
    assert world.rollback().version == "v1.1"
