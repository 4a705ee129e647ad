"""The health gate: its pace and its verdict, with a clock of the test's own."""

from __future__ import annotations

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.check import Check
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.gate import (
    Verdict,
    judge_unit,
    wait_until_healthy,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.health import parse
from ansible_collections.fraisier.deploy.plugins.module_utils.systemd import UnitState, parse_show


class World:
    """A clock that moves when somebody sleeps or tries, and a service that is well when told."""

    def __init__(self, healthy_from: float = 0.0, ill: tuple[float, float] = (-1.0, -1.0)) -> None:
        self.now = 0.0
        self.tries: list[float] = []
        self.limits: list[float] = []
        self.try_takes = 0.0
        self._healthy_from = healthy_from
        self._ill = ill
        self.broken_from = float("inf")

    def attempt(self, limit: float) -> tuple[bool, str]:
        self.tries.append(self.now)
        self.limits.append(limit)
        began = self.now
        self.now += min(self.try_takes, limit)
        ill = self._ill[0] <= began < self._ill[1]
        healthy = began >= self._healthy_from and not ill and self.try_takes <= limit
        return healthy, "HTTP 200" if healthy else "HTTP 500"

    def watch(self, _thorough: bool) -> str | None:
        return "it died" if self.now >= self.broken_from else None

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.0001)

    def gate(self, check: Check, early: float = 0.0, held_until: float = 0.0) -> Verdict:
        return wait_until_healthy(
            check, self.attempt, self.watch, early, clock=lambda: self.now, sleep=self.sleep,
            hold=lambda: "its own check is still starting" if self.now < held_until else "",
        )  # fmt: skip


def test_a_healthy_service_passes_at_the_first_try() -> None:
    verdict = World().gate(Check("http"))
    assert verdict.passed
    assert (verdict.attempts, verdict.seconds, verdict.detail) == (1, 0.0, "HTTP 200")


def test_the_first_pauses_are_short_and_grow_up_to_the_interval() -> None:
    world = World(healthy_from=10)
    assert world.gate(Check("http", interval=1.0)).passed
    pauses = [round(b - a, 3) for a, b in zip(world.tries, world.tries[1:], strict=False)]
    assert pauses[:3] == pytest.approx([0.05, 0.075, 0.1125], abs=0.001)
    assert pauses == sorted(pauses)
    assert max(pauses) == 1.0


def test_a_service_that_stays_ill_fails_at_the_deadline() -> None:
    world = World(healthy_from=1e9)
    verdict = world.gate(Check("http", deadline=5))
    assert not verdict.passed
    assert verdict.seconds == pytest.approx(5, abs=0.01)
    assert verdict.detail == "HTTP 500"


def test_the_delay_comes_before_the_deadline_begins() -> None:
    world = World(healthy_from=6)
    assert world.gate(Check("http", delay=5, deadline=2)).passed
    assert world.tries[0] == 5


def test_retries_bound_the_tries() -> None:
    verdict = World(healthy_from=1e9).gate(Check("http", retries=2))
    assert (verdict.passed, verdict.attempts) == (False, 3)


def test_it_must_stay_healthy_for_as_long_as_is_asked() -> None:
    world = World()
    verdict = world.gate(Check("http", min_healthy=3, interval=1))
    assert verdict.passed
    assert verdict.seconds == pytest.approx(3, abs=0.01)


def test_a_relapse_starts_the_time_again() -> None:
    world = World(ill=(1.0, 2.0))
    verdict = world.gate(Check("http", min_healthy=3, interval=0.5))
    assert verdict.passed
    assert verdict.seconds >= 5


def test_a_service_that_was_healthy_too_briefly_fails_and_says_so() -> None:
    verdict = World(healthy_from=4.5).gate(Check("http", min_healthy=3, deadline=5))
    assert not verdict.passed
    assert "less than 3 s" in verdict.detail


def test_a_unit_that_dies_ends_the_gate_at_once() -> None:
    world = World(healthy_from=1e9)
    world.broken_from = 0.3
    verdict = world.gate(Check("http", deadline=60))
    assert not verdict.passed
    assert verdict.detail == "it died"
    assert verdict.seconds < 1


def test_a_healthy_answer_of_a_dead_unit_does_not_count() -> None:
    world = World()
    world.broken_from = 0.0
    assert not world.gate(Check("http")).passed


def test_an_answer_that_comes_too_early_must_last() -> None:
    verdict = World().gate(Check("http"), early=1.0)
    assert verdict.passed
    assert verdict.seconds == pytest.approx(1, abs=0.01)
    assert World(healthy_from=0.04).gate(Check("http"), early=1.0).seconds < 0.1


def test_a_service_that_dies_while_another_answers_on_its_port_does_not_pass() -> None:
    world = World()
    world.broken_from = 0.4
    assert not world.gate(Check("http"), early=1.0).passed


def test_a_slow_try_gets_its_timeout_and_never_more_than_is_left() -> None:
    world = World()
    world.try_takes = 100
    verdict = world.gate(Check("http", timeout=4, deadline=10))
    assert not verdict.passed
    assert world.limits[0] == 4
    assert verdict.seconds <= 10.1


def _state(**changes: object) -> UnitState:
    usual = {"active_state": "active", "sub_state": "running", "main_pid": 7}
    return UnitState("my-api.service", **{**usual, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_restarts": 1}, "was restarted 1 time"),
        ({"n_restarts": 3}, "was restarted 3 times"),
        (
            {"sub_state": "auto-restart", "result": "exit-code", "exit_status": 3},
            "ended: exit status 3",
        ),
        ({"active_state": "failed", "result": "oom-kill"}, "failed: result oom-kill"),
        ({"active_state": "inactive", "result": "success"}, "ended: result success"),
        ({"main_pid": 8}, "restarted by somebody else"),
    ],
)
def test_every_way_in_which_a_unit_goes_wrong_is_named(
    change: dict[str, object], said: str
) -> None:
    assert said in str(judge_unit(_state(**change), pid=7, restarts=0))


def test_a_unit_that_runs_as_before_is_not_wrong() -> None:
    assert judge_unit(_state(n_restarts=2), pid=7, restarts=2) is None


def test_systemds_answer_is_read_by_name() -> None:
    text = "LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=12\nNRestarts=1\nX=a=b"
    state = parse_show("a.service", text)
    assert (state.exists, state.active, state.main_pid, state.n_restarts) == (True, True, 12, 1)
    assert not parse_show("a.service", "").exists


def test_without_a_check_the_unit_must_stay_up_for_two_seconds() -> None:
    check = parse(None, None, 60)
    assert (check.type, check.min_healthy) == ("systemd", 2.0)
    assert parse({"type": "http", "url": "http://x"}, None, 60).min_healthy == 0.0
    assert parse({"type": "systemd"}, 0.5, 60).min_healthy == 0.5


@pytest.mark.parametrize(
    "data",
    [
        {"type": "http"},
        {"type": "tcp"},
        {"type": "exec"},
        {"type": "http", "url": "file:///etc/passwd"},
        {"type": "http", "url": "ftp://x"},
    ],
)
def test_a_check_that_asks_nothing_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(Failure) as caught:
        parse(data, None, 60)
    assert caught.value.code == "health_check_invalid"


def test_what_holds_a_healthy_service_is_waited_for_until_the_deadline() -> None:
    verdict = World().gate(Check("http", interval=1.0, deadline=60), held_until=30)
    assert verdict.passed
    assert 30 <= verdict.seconds < 32
    assert verdict.detail == "HTTP 200"
    world = World()
    world.try_takes = 3
    verdict = world.gate(Check("http", interval=1.0, deadline=60), held_until=1000)
    assert verdict.passed, "the check alone decides then, also where a try takes its time"
    assert 50 <= verdict.seconds <= 60
    assert "still starting" in verdict.detail
    dying = World()
    dying.broken_from = 20
    assert not dying.gate(Check("http", deadline=60), held_until=1000).passed
    assert World().gate(Check("http", deadline=60, retries=0), held_until=10).passed


def test_a_last_try_that_the_deadline_cuts_does_not_hide_the_reason() -> None:
    """The last try of an exec check has next to no time left."""
    now = [0.0]

    def attempt(limit: float) -> tuple[bool, str]:
        if limit < 0.3:
            now[0] += limit
            return False, f"the command did not end within {limit:g} s"
        now[0] += 0.3
        return False, "exit status 1"

    def sleep(seconds: float) -> None:
        now[0] += max(seconds, 0.0001)

    check = Check("exec", deadline=2.9, timeout=5)
    verdict = wait_until_healthy(
        check, attempt, lambda _thorough: None, 0.0, clock=lambda: now[0], sleep=sleep
    )
    assert (verdict.passed, verdict.detail) == (False, "exit status 1")


def test_a_try_that_has_its_whole_time_tells_that_it_took_too_long() -> None:
    world = World()
    world.try_takes = 9.0
    world.attempt = lambda limit: _hang(world, limit)  # type: ignore[method-assign]
    assert world.gate(Check("http", deadline=2, timeout=5)).detail == "no answer within 2 s"


def _hang(world: World, limit: float) -> tuple[bool, str]:
    world.now += limit
    return False, f"no answer within {limit:g} s"
