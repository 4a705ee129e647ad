"""Hosts that Fraisier loses: what is recorded of them, and how long they are tried again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.deployment import Deployment, Placement, Status
from fraisier.domain.errors import LeaseLost
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Work
from fraisier.domain.strategy import StrategyConfig
from fraisier.engine.contact import BOUND_SECONDS, LEAST_SECONDS
from fraisier.engine.ledger import HostState
from support.clock import VirtualTime
from support.strategies import THREE, TWO, World, at, behind, canary

SINGLE = ("web-1",)


def placed(world: World, host: str = "web-1") -> Placement:
    """Return what the records say that a host runs."""
    return world.store.placements("api", "production")[host]


def deployed(folder: Path, *hosts: str, **more: Any) -> World:
    """Return a world of which the records know that v1 serves."""
    world = World(folder, *hosts, **{"strategy": "rolling", "proxy": None, **more})
    assert world.deploy("v1").status is Status.SUCCESS
    world.runner.works.clear()
    return world


def losing(world: World, host: str, verb: str = "deploy") -> Deployment:
    """Deploy v2, and lose a host for good right after the verb was done there."""
    gone: set[str] = set()
    if verb in ("deploy", "stage"):
        world.runner.bad = {host: ("v2", "lost")}
    world.runner.before_step = at(verb, lambda w: gone.update(h.name for h in w.hosts))
    world.runner.absent = lambda name: name == host and bool(gone) and _done(world, verb, name)
    return world.deploy()


def _done(world: World, verb: str, name: str) -> bool:
    """Return whether a verb was asked of a host, and something else since."""
    return world.runner.works[-1].verb != verb and name in [
        host.name for work in world.runner.works if work.verb == verb for host in work.hosts
    ]


@pytest.mark.parametrize("hosts", [SINGLE, TWO])
@pytest.mark.parametrize("automatic", [True, False])
def test_a_host_lost_after_the_switch_is_unknown(
    tmp_path: Path, hosts: tuple[str, ...], automatic: bool
) -> None:  # I14
    """It runs v2 now, which was never recorded; v1 is only what it told last."""
    world = deployed(tmp_path, *hosts, auto_rollback=automatic)
    ended = losing(world, hosts[-1])
    assert world.runner.serving[hosts[-1]] == "v2"
    assert ended.status is (Status.ROLLBACK_FAILED if automatic else Status.INTERRUPTED)
    assert f"what {hosts[-1]} serves is unknown" in ended.reason
    assert (placed(world, hosts[-1]).version, placed(world, hosts[-1]).known) == ("v1", False)
    if len(hosts) > 1 and automatic:
        assert (placed(world, hosts[0]).version, placed(world, hosts[0]).known) == ("v1", True)


def test_a_host_lost_in_its_first_deployment_is_unknown(tmp_path: Path) -> None:
    world = World(tmp_path, strategy="rolling", proxy=None)
    ended = losing(world, "web-1")
    assert ended.status is Status.ROLLBACK_FAILED
    assert (placed(world).version, placed(world).known) == (None, False)


def test_a_host_lost_in_a_rollback_by_a_person_is_unknown(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    world.deploy("v2")

    def lose(work: Work) -> None:
        world.runner.absent = lambda _name: True

    world.runner._restore = lambda _work, name: (  # type: ignore[method-assign]
        lose(_work) or HostOutcome(name, "unknown", {}, {"code": "contact_lost", "message": ""})
    )
    ended = world.rollback()
    assert ended.status is Status.ROLLBACK_FAILED
    assert "what web-1 serves is unknown" in ended.reason
    assert placed(world).known is False


@pytest.mark.parametrize("verb", ["stage", "shift", "promote"])
def test_a_host_lost_in_a_step_of_a_canary_is_unknown(tmp_path: Path, verb: str) -> None:
    world = World(tmp_path, *TWO, **canary())
    if verb == "shift":
        world.runner.shifts[("web-2", 10)] = "unknown"
    promote = world.runner._promote

    def lost(name: str) -> HostOutcome:
        promote(name)
        return HostOutcome(name, "unknown", {}, {"code": "contact_lost", "message": ""})

    if verb == "promote":
        world.runner._promote = lost  # type: ignore[method-assign]
    ended = losing(world, "web-2", verb)
    assert ended.status is Status.ROLLBACK_FAILED
    assert "what web-2 serves is unknown" in ended.reason
    assert placed(world, "web-2").known is False
    assert (placed(world, "web-1").version, placed(world, "web-1").known) == ("v1", True)


def test_a_host_that_is_seen_again_is_known(tmp_path: Path) -> None:
    world = deployed(tmp_path, *TWO)
    world.runner.bad = {"web-2": ("v2", "lost")}
    ended = world.deploy()
    assert ended.status is Status.ROLLED_BACK
    assert "unknown" not in ended.reason
    found = [placed(world, name) for name in TWO]
    assert [(each.version, each.known) for each in found] == [("v1", True)] * 2


def test_a_host_that_fell_silent_while_it_was_looked_at_is_unknown(tmp_path: Path) -> None:
    world = deployed(tmp_path, *THREE)
    world.runner.silent = {"web-2"}
    world.runner.before_step = at("preflight", world.request_cancel)
    ended = world.deploy()
    assert ended.status is Status.INTERRUPTED
    assert "unseen: web-2; what web-2 serves is unknown" in ended.reason
    assert [placed(world, name).known for name in THREE] == [True, False, True]


def test_the_next_deployment_that_reaches_the_host_knows_it_again(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    losing(world, "web-1")
    world.runner.absent, world.runner.bad = (lambda _name: False), {}
    world.store.unlock("api", "production", "looked", "cli:test")
    assert world.deploy("v3").status is Status.SUCCESS
    assert (placed(world).version, placed(world).known) == ("v3", True)


NEW = {"id": "2", "version": "v2", "status": "prepared", "deployment": "dep_1"}
OLD = {"id": "1", "version": "v1", "status": "good", "deployment": "dep_0"}


def walked(*steps: tuple[str, str, str, dict[str, Any]]) -> HostState:
    """Return a host's state after steps: verb, state, code of the error, result."""
    state = HostState("web-1", expected=1, release="1", version="v1", good=True)
    for verb, came_to, code, result in steps:
        error = {"code": code, "message": ""} if code else None
        state = state.after(verb, HostOutcome("web-1", came_to, result, error), "dep_1")
    return state


LOST = ("deploy", "unknown", "contact_lost", {})


@pytest.mark.parametrize(
    ("after", "known"),
    [
        (("restore", "unreachable", "host_unreachable", {}), False),
        (("restore", "failed", "runner_failed", {}), False),
        (("restore", "failed", "broken", {}), False),
        (("restore", "failed", "fence_stale", {"changed": False}), False),
        (("probe", "unreachable", "host_unreachable", {}), False),
        (("restore", "failed", "coolify_unreachable", {"release": NEW, "fence": 2}), False),
        (("restore", "failed", "docker_unavailable", {"release": NEW, "fence": 2}), False),
        (("restore", "failed", "health_check_failed", {"release": OLD, "fence": 2}), True),
        (("restore", "ok", "", {"release": OLD, "fence": 2}), True),
        (("probe", "ok", "", {"release": NEW}), True),
        (("probe", "ok", "", {}), True),
    ],
)
def test_only_what_a_host_told_makes_it_known_again(after: Any, known: bool) -> None:
    found = walked(LOST, after).placement()
    assert found is not None
    assert found.known is known


@pytest.mark.parametrize(("verb", "touched"), [("preflight", False), ("deploy", True)])
def test_a_look_that_is_lost_does_not_make_a_host_one_to_go_back_on(
    verb: str, touched: bool
) -> None:
    state = walked((verb, "unknown", "timeout", {}), ("probe", "unknown", "timeout", {}))
    assert (state.lost, state.touched) == (True, touched)


@pytest.mark.parametrize("code", ["coolify_unreachable", "coolify_silent", "docker_unavailable"])
def test_what_cannot_be_seen_after_a_switch_is_unknown(code: str) -> None:
    """The module ran, but Coolify or the Docker engine did not answer it any more."""
    switched = walked(("deploy", "failed", code, {"release": NEW, "fence": 2, "switched": True}))
    refused = walked(("deploy", "failed", code, {"release": OLD, "fence": 2, "switched": False}))
    assert [each.lost for each in (switched, refused)] == [True, False]


# --- tried again ------------------------------------------------------------------------


def away(world: World, clock: VirtualTime, seconds: float, *hosts: str) -> None:
    """Let hosts (none named: all) be out of reach from now on, for so many seconds."""
    back = clock.slept + seconds
    world.runner.absent = lambda name: clock.slept < back and name in (hosts or THREE)


def after(verb: str, do: Any) -> Any:
    """Return a hook that does something once, before the first step after a verb."""
    done: list[str] = []

    def hook(work: Work) -> None:
        if verb in done and work.verb != verb and "called" not in done:
            done.append("called")
            do()
        done.append(work.verb)

    return hook


@pytest.mark.parametrize("seconds", [2, 12, 50])
@pytest.mark.parametrize("trouble", ["gate", "lost"])
def test_a_host_that_comes_back_in_time_is_restored(
    tmp_path: Path, clock: VirtualTime, seconds: float, trouble: str
) -> None:
    world = deployed(tmp_path, *TWO)
    world.runner.bad = {"web-2": ("v2", trouble)}
    world.runner.before_step = after(
        "deploy", lambda: away(world, clock, seconds, "web-1", "web-2")
    )
    ended = world.deploy()
    assert ended.status is Status.ROLLED_BACK
    assert world.runner.serving == dict.fromkeys(TWO, "v1")
    assert [placed(world, name).known for name in TWO] == [True, True]
    assert world.store.held("api", "production") is None
    records = {record.host: record for record in world.store.host_records(ended.id)}
    code = {"gate": "health_check_failed", "lost": "contact_lost"}[trouble]
    assert (records["web-2"].error or {})["code"] == code, "not that it was away meanwhile"


def test_a_host_that_stays_away_is_given_up_after_the_bound(
    tmp_path: Path, clock: VirtualTime
) -> None:
    world = deployed(tmp_path)
    begun = clock.slept
    ended = losing(world, "web-1")
    assert ended.status is Status.ROLLBACK_FAILED
    assert BOUND_SECONDS / 2 < clock.slept - begun <= BOUND_SECONDS
    assert [verb for verb, _ in world.steps()][-2:] == ["restore", "probe"], "it looks before"


def test_the_deadline_of_the_way_back_is_the_bound_where_there_is_one(
    tmp_path: Path, clock: VirtualTime
) -> None:
    for seconds in (30.0, 120.0):
        pace = StrategyConfig(rollback_deadline=seconds)
        folder = tmp_path / f"{seconds:g}"
        folder.mkdir()
        world = deployed(folder, strategy_config=pace)
        begun = clock.slept
        losing(world, "web-1")
        assert seconds / 2 < clock.slept - begun <= seconds


def test_a_host_that_answers_only_the_last_look_is_restored(
    tmp_path: Path, clock: VirtualTime
) -> None:
    world = deployed(tmp_path)
    world.runner.bad = {"web-1": ("v2", "lost")}

    def reach(work: Work) -> None:
        last = work.verb == "probe" and world.steps("restore")
        gone = work.verb != "deploy" and not last and world.runner.serving["web-1"] == "v2"
        if last:
            answers.append(True)
        world.runner.absent = lambda _name: bool(gone) and not answers

    answers: list[bool] = []
    world.runner.before_step = reach
    assert world.deploy().status is Status.ROLLED_BACK
    assert [verb for verb, _ in world.steps()][-3:] == ["restore", "probe", "restore"]


@pytest.mark.parametrize("hosts", [SINGLE, THREE])
def test_a_host_that_is_away_before_anything_was_changed_is_waited_for(
    tmp_path: Path, clock: VirtualTime, hosts: tuple[str, ...]
) -> None:
    world = deployed(tmp_path, *hosts)
    away(world, clock, 12, hosts[0])
    ended = world.deploy()
    assert ended.status is Status.SUCCESS
    assert all(each.error is None for each in world.store.host_records(ended.id))
    assert {each.state for each in world.store.host_records(ended.id)} == {"changed"}
    told = [e.data for e in world.store.events(ended.id, kind="log.line")]
    assert [line["step"] for line in told] == ["contact"], "it is said once"


def test_only_the_hosts_that_were_away_are_looked_at_again(
    tmp_path: Path, clock: VirtualTime
) -> None:
    world = deployed(tmp_path, *THREE)
    away(world, clock, 2, "web-2")
    world.deploy()
    assert world.steps("preflight") == [("preflight", THREE), ("preflight", ("web-2",))]


def test_a_host_that_stays_away_before_anything_was_changed_fails_the_deployment(
    tmp_path: Path, clock: VirtualTime
) -> None:
    world = deployed(tmp_path, *THREE)
    away(world, clock, 1000, "web-2")
    begun = clock.slept
    ended = world.deploy()
    assert ended.status is Status.FAILED
    assert ended.reason.endswith("no host was changed")
    assert clock.slept - begun <= BOUND_SECONDS
    assert all(placed(world, name).known for name in THREE)
    assert world.store.held("api", "production") is None


@pytest.mark.parametrize("hosts", [SINGLE, TWO])
def test_a_try_that_the_deadline_would_cut_is_not_begun(
    tmp_path: Path, clock: VirtualTime, hosts: tuple[str, ...]
) -> None:
    """A try that is cut leaves open what it did, and nothing has been changed so far."""
    pace = StrategyConfig(progress_deadline=LEAST_SECONDS)
    world = deployed(tmp_path, *hosts, strategy_config=pace)
    away(world, clock, 1000, "web-1")
    assert world.deploy().status is Status.FAILED
    assert clock.slept == 0
    assert world.store.held("api", "production") is None


def test_a_preflight_that_lost_a_host_is_done_again(tmp_path: Path, clock: VirtualTime) -> None:
    world = deployed(tmp_path, *TWO)
    lost = HostOutcome("web-2", "unknown", {}, {"code": "contact_lost", "message": "rebooted"})
    once(world, "preflight", lambda work, found: replaced(found, lost))
    assert world.deploy().status is Status.SUCCESS
    assert placed(world, "web-2").known


@pytest.mark.parametrize("code", ["runner_failed", "broken"])
@pytest.mark.parametrize("verb", ["preflight", "restore"])
def test_a_run_that_ansible_did_not_begin_is_done_again(
    tmp_path: Path, clock: VirtualTime, code: str, verb: str
) -> None:
    """As when the process was killed that runs are forked from."""
    world = deployed(tmp_path, *TWO)
    world.runner.bad = {"web-1": ("v2", "gate")} if verb == "restore" else {}
    error = {"code": code, "message": "killed"}

    def broken(work: Work, _found: Outcome) -> Outcome:
        hosts = {h.name: HostOutcome(h.name, "failed", {}, error) for h in work.hosts}
        return Outcome("broken", hosts, error)

    once(world, verb, broken)
    assert world.deploy().status is (Status.ROLLED_BACK if verb == "restore" else Status.SUCCESS)


@pytest.mark.parametrize("code", ["ssh_denied", "login_refused", "become_failed"])
def test_a_host_that_has_just_booted_and_does_not_know_its_users_is_tried_again(
    tmp_path: Path, clock: VirtualTime, code: str
) -> None:
    world = deployed(tmp_path, *TWO)
    world.runner.bad = {"web-1": ("v2", "gate")}
    refused = HostOutcome("web-1", "failed", {}, {"code": code, "message": "no such user"})
    once(world, "restore", lambda _work, found: replaced(found, refused))
    assert world.deploy().status is Status.ROLLED_BACK
    assert 0 < clock.slept < 10


@pytest.mark.parametrize("code", ["host_key_changed", "ssh_denied", "become_failed"])
def test_what_waiting_does_not_change_is_told_at_once(
    tmp_path: Path, clock: VirtualTime, code: str
) -> None:
    world = deployed(tmp_path, *TWO)
    refused = HostOutcome("web-1", "unreachable", {}, {"code": code, "message": "no"})
    once(world, "preflight", lambda _work, found: replaced(found, refused))
    assert world.deploy().status is Status.FAILED
    assert clock.slept == 0


def test_a_batch_in_which_a_host_failed_goes_back_without_waiting_for_another(
    tmp_path: Path, clock: VirtualTime
) -> None:
    pace = StrategyConfig(max_parallel=2)
    world = deployed(tmp_path, *TWO, strategy_config=pace)
    world.runner.bad = {"web-1": ("v2", "gate"), "web-2": ("v2", "unreachable")}
    assert world.deploy().status is Status.ROLLED_BACK
    assert clock.slept == 0


def test_a_cancellation_ends_the_waiting(
    tmp_path: Path, clock: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = deployed(tmp_path, *TWO)
    away(world, clock, 1000)
    pause = clock.sleep

    def sleep(seconds: float) -> None:
        pause(seconds)
        world.cancel = clock.slept > 5

    monkeypatch.setattr(clock, "sleep", sleep)
    ended = world.deploy()
    assert ended.status is Status.CANCELLED
    assert ended.reason.endswith("no host was changed")
    assert clock.slept < 10


def test_who_loses_its_lease_waits_no_longer(
    tmp_path: Path, clock: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = deployed(tmp_path, *TWO)
    away(world, clock, 1000)
    monkeypatch.setattr(world.member, "valid", lambda: clock.slept < 4)
    with pytest.raises(LeaseLost):
        world.deploy()
    assert clock.slept < 10


def test_a_proxy_that_is_away_for_a_moment_gives_the_requests_again(
    tmp_path: Path, clock: VirtualTime
) -> None:
    world = behind(tmp_path, *TWO)
    world.runner.absent = lambda name: name == "lb-1" and 3 < clock.slept < 15
    world.runner.before_step = at("undrain", lambda _w: clock.sleep(4 if clock.slept < 3 else 0))
    assert world.deploy().status is Status.SUCCESS
    assert world.runner.away == set()


def once(world: World, verb: str, instead: Any) -> None:
    """Let something else come of the first step of a verb."""
    run, left = world.runner.run, [verb]

    def first(work: Work, on_facts: Any, cancelled: Any) -> Outcome:
        found = run(work, on_facts, cancelled)
        if work.verb in left:
            left.remove(work.verb)
            return instead(work, found)
        return found

    world.runner.run = first  # type: ignore[method-assign]


def replaced(found: Outcome, host: HostOutcome) -> Outcome:
    """Return an outcome in which one host came to something else."""
    return Outcome(found.ended, {**found.hosts, host.host: host}, found.error)
