"""Asking hosts how they are: what is asked, what the answers mean, how often they are asked."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import Placement
from fraisier.domain.errors import RunnerError
from fraisier.domain.event import Fact
from fraisier.domain.health import Health, HostHealth, Seen, after_look
from fraisier.domain.ports import NewDeployment
from fraisier.engine.checkup import A_JOB, NOTHING, Checkups, as_one_try
from fraisier.engine.environment_health import EnvironmentHealth
from fraisier.store import SqlStore
from support.fakes import ScriptedRunner, begin, make_catalogue, make_target
from support.records import open_records

TARGET = make_target("web-1", "web-2", "web-3")


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    return open_records(tmp_path / "records.db")


def place(store: SqlStore, target: Target = TARGET) -> None:
    """Let the records know that something is deployed on every host."""
    new = NewDeployment("deploy", target, "v1", None, "rolling", "cli:me")
    begun = begin(store, store.request(new).id)
    found = [Placement(host.name, 1, "r1", "v1", True, 1) for host in target.hosts]
    store.record(begun, [Fact("log.line", None, {"text": "x"})], found=found)


def checkups(store: SqlStore, runner: ScriptedRunner, target: Target = TARGET) -> Checkups:
    """Return what asks scripted hosts."""
    return Checkups(make_catalogue(target), store, lambda *_: target, lambda: runner)


def test_each_host_is_healthy_unhealthy_or_unknown_with_a_reason(store: SqlStore) -> None:
    place(store)
    runner = ScriptedRunner()
    runner.unwell, runner.silent = {"web-2"}, {"web-3"}
    assert checkups(store, runner).look(TARGET, 10) == [
        Seen("web-1", Health.HEALTHY),
        Seen("web-2", Health.UNHEALTHY, "health check failed"),
        Seen("web-3", Health.UNKNOWN, "no answer"),
    ]
    assert [work.verb for work in runner.works] == ["verify"]
    assert not runner.works[0].request["fence"]


def test_the_check_is_tried_once_and_not_waited_for() -> None:
    slow = replace(
        TARGET,
        service={
            "health_check": {"type": "http", "url": "http://x/", "delay": 30, "timeout": 60},
            "min_healthy_time": 120,
            "healthy_deadline": 600,
        },
    )
    service = as_one_try(slow, 8).service
    assert service["health_check"] == {
        "type": "http", "url": "http://x/", "delay": 0, "retries": 0, "timeout": 8,
    }  # fmt: skip
    assert service["min_healthy_time"] == 0
    assert service["healthy_deadline"] < 12
    assert slow.service["healthy_deadline"] == 600


def test_where_nothing_was_deployed_no_host_is_asked(store: SqlStore) -> None:
    runner = ScriptedRunner()
    seen = checkups(store, runner).look(TARGET, 10)
    assert {(each.health, each.reason) for each in seen} == {(Health.UNKNOWN, NOTHING)}
    assert not runner.works


def test_a_job_that_runs_and_ends_is_not_asked(store: SqlStore) -> None:
    job = replace(TARGET, type="scheduled")
    place(store, job)
    runner = ScriptedRunner()
    seen = checkups(store, runner, job).look(job, 10)
    assert {(each.health, each.reason) for each in seen} == {(Health.UNKNOWN, A_JOB)}
    assert not runner.works


def test_what_cannot_be_run_is_unknown_and_says_why(store: SqlStore) -> None:
    place(store)

    class Broken(ScriptedRunner):
        def run(self, *_: object) -> object:
            raise RunnerError("Ansible is not there")

    seen = checkups(store, Broken()).look(TARGET, 10)
    assert {(each.health, each.reason) for each in seen} == {
        (Health.UNKNOWN, "Ansible is not there")
    }


def test_a_hundred_who_ask_at_once_are_one_look() -> None:
    looks, go = [], threading.Event()

    def look(target: Target, seconds: float) -> list[Seen]:
        looks.append(seconds)
        assert go.wait(30)
        return [Seen("web-1", Health.HEALTHY)]

    health = EnvironmentHealth(look, kept=300)
    with ThreadPoolExecutor(100) as pool:
        asked = [pool.submit(health.of, "production", [TARGET]) for _ in range(100)]
        go.set()
        answers = [each.result() for each in asked]
    assert len(looks) == 1
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["health"] == "healthy"


def test_an_answer_that_is_too_old_is_asked_for_again() -> None:
    looks = []

    def look(target: Target, seconds: float) -> list[Seen]:
        looks.append(target)
        return [Seen("web-1", Health.HEALTHY)]

    health = EnvironmentHealth(look, kept=0)
    health.of("production", [TARGET])
    assert health.known([TARGET]) is None
    health.of("production", [TARGET])
    assert len(looks) == 2


def test_who_reaches_fewer_targets_is_not_given_the_answer_of_others() -> None:
    other = replace(TARGET, fraise="other")
    health = EnvironmentHealth(lambda target, _: [Seen(target.fraise, Health.HEALTHY)], kept=300)
    assert len(health.of("production", [TARGET, other])["targets"]) == 2
    assert health.known([TARGET]) is None
    assert [each["fraise"] for each in health.of("production", [TARGET])["targets"]] == [
        TARGET.fraise
    ]


def test_targets_for_which_no_time_is_left_are_unknown_and_not_asked() -> None:
    def look(target: Target, seconds: float) -> list[Seen]:
        raise AssertionError("it was asked")

    found = EnvironmentHealth(look, limit=1).of("production", [TARGET])
    assert found["health"] == "unknown"
    assert {host["reason"] for host in found["targets"][0]["hosts"]} == {
        "not asked: the 1 s for all hosts were over"
    }


def looked(*answers: Health, threshold: int = 3) -> list[tuple[str, bool]]:
    """Return the states that looks lead to, and which of them were told."""
    state: HostHealth | None = None
    story = []
    for at, health in enumerate(answers, 1):
        state, told = after_look(state, Seen("web-1", health, "why"), threshold, at)
        story.append((state.health.value, told))
    return story


GOOD, BAD, GONE = Health.HEALTHY, Health.UNHEALTHY, Health.UNKNOWN


def test_a_host_that_is_well_from_the_beginning_is_no_news() -> None:
    assert looked(GOOD, GOOD) == [("healthy", False), ("healthy", False)]


def test_only_the_last_of_three_bad_looks_is_news_and_so_is_the_first_good_one() -> None:
    assert looked(GOOD, BAD, BAD, BAD, BAD, GOOD, GOOD) == [
        ("healthy", False),
        ("healthy", False),
        ("healthy", False),
        ("unhealthy", True),
        ("unhealthy", False),
        ("healthy", True),
        ("healthy", False),
    ]


def test_a_host_that_flaps_below_the_threshold_is_never_news() -> None:
    assert not any(told for _, told in looked(*[GOOD, BAD, BAD] * 5))


def test_a_host_that_goes_from_unwell_to_unreachable_is_told_once() -> None:
    assert looked(GOOD, BAD, BAD, BAD, GONE, BAD, GOOD) == [
        ("healthy", False),
        ("healthy", False),
        ("healthy", False),
        ("unhealthy", True),
        ("unknown", False),
        ("unhealthy", False),
        ("healthy", True),
    ]


def test_a_host_that_was_never_well_is_told_of_after_the_threshold() -> None:
    assert looked(BAD, BAD, threshold=2) == [("unknown", False), ("unhealthy", True)]


def test_since_is_when_the_state_began_and_the_counts_are_of_all_looks() -> None:
    state: HostHealth | None = None
    for at, health in enumerate([GOOD, GOOD, BAD, BAD, BAD, BAD], 1):
        state, _ = after_look(state, Seen("web-1", health, "why"), 3, at)
    assert state is not None
    assert (state.since, state.seen_at, state.passed, state.failed) == (5, 6, 2, 4)
