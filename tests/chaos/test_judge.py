"""The judge and the figures of the crash harness: each thing that is wrong must show."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from chaos.figures import figures, percentile, read
from chaos.host import Mark, read_look
from chaos.jobs import EARLY, endless, one_of_each
from chaos.judge import judge, late, outside, overtook
from fraisier.failpoints import NAMES, Armed

NEW, OLD = "b" * 40, "a" * 40
DIED, ENDED = 5_000_000, 9_000_000
STORY = [
    "deployment.queued",
    "deployment.started",
    "deployment.interrupted",
    "deployment.completed",
]


def strike(**changes: Any) -> dict[str, Any]:
    """Return the evidence of a kill that went well; `a__b=…` changes a part of it."""
    line: dict[str, Any] = {
        "kind": "strike", "how": "step.after", "victim": "worker", "database": "sqlite",
        "target": "s0", "deployment": "dep_1", "died_at": DIED, "last": True,
        "owner": {"status": "in_progress", "mine": True, "worker": "wrk_1", "fence": 1},
        "host_marker": {"h": {"fence_deployment": "dep_1", "marks": 3}},
        "end": {
            "rows": 1, "version": NEW, "status": "interrupted", "completed_at": ENDED,
            "story": STORY, "numbers": [1, 2, 3, 4], "most_live": 1,
            "placements": {"h": {"release": "r2", "known": True}},
            "hosts": {
                "h": {"current": "r2", "running": "r2", "version": NEW, "builds": 1, "late": []}
            },
        },
    }  # fmt: skip
    line = deepcopy(line)
    for path, value in changes.items():
        *way, name = path.split("__")
        part = line
        for step in way:
            part = part[step]
        part[name] = value
    return line


def sweep(**changes: Any) -> dict[str, Any]:
    """Return what a last look found, nothing wrong but `changes`."""
    clean = {"changed": [], "unfinished": [], "overtook": [], "late": [], "untold": []}
    return {"kind": "sweep", "database": "sqlite", "target": "s0", **clean, **changes}


def test_a_kill_that_went_well_counts_and_is_clean() -> None:
    verdict = judge(strike())
    assert verdict.counts
    assert (verdict.lost, verdict.duplicated, verdict.stuck, verdict.late_steps) == (0, 0, 0, 0)
    assert (verdict.untrue, verdict.recovery) == ((), 4.0)
    assert figures([strike(), sweep()]).good


@pytest.mark.parametrize(
    "changes",
    [
        {"owner": None},
        {"owner__mine": False},
        {"owner__status": "pending"},
        {"owner__status": "success"},
        {"host_marker__h": {"fence_deployment": "dep_0", "marks": 0}},
        {"host_marker": {}},
        {"how": "stop"},
    ],
)
def test_without_a_live_attempt_on_a_host_a_kill_does_not_count(changes: dict[str, Any]) -> None:
    assert not judge(strike(**changes)).counts
    assert not figures([strike(**changes)]).good, "a round without a kill proves nothing"


@pytest.mark.parametrize(
    ("figure", "changes"),
    [
        ("lost", {"end__rows": 0, "end__status": None}),
        ("stuck", {"end__status": "in_progress"}),
        ("stuck", {"end__status": "pending"}),
        ("duplicated", {"end__rows": 2}),
        ("duplicated", {"end__story": [*STORY[:2], *STORY[1:]]}),
        ("duplicated", {"end__story": [*STORY, "deployment.completed"]}),
        ("duplicated", {"end__most_live": 2}),
        ("duplicated", {"end__hosts__h__builds": 2}),
        ("late_steps", {"end__hosts__h__late": ["step 1 x"]}),
        ("untrue", {"end__numbers": [1, 2, 4, 5]}),
        ("untrue", {"end__story": [*STORY[:3]]}),
        ("untrue", {"end__placements__h__release": "r1"}),
        ("untrue", {"end__hosts__h__running": "r1"}),
        ("untrue", {"end__placements": {}}),
        ("untrue", {"end__status": "success", "end__hosts__h__version": OLD}),
    ],
)
def test_what_is_wrong_shows_in_its_figure_and_fails_the_round(
    figure: str, changes: dict[str, Any]
) -> None:
    found = figures([strike(), strike(**changes), sweep()])
    assert getattr(found, figure)
    assert not found.good


@pytest.mark.parametrize(
    ("figure", "changes"),
    [
        ("late_steps", {"late": ["step 1 x"]}),
        ("untrue", {"changed": ["dep_1"]}),
        ("stuck", {"unfinished": ["dep_1"]}),
        ("untrue", {"overtook": ["dep_1"]}),
        ("untrue", {"untold": ["evt_1 deployment.completed"]}),
    ],
)
def test_what_a_last_look_finds_fails_the_round(figure: str, changes: dict[str, Any]) -> None:
    found = figures([strike(), sweep(**changes)])
    assert getattr(found, figure)
    assert not found.good


def test_a_host_that_is_called_unknown_is_no_lie_and_is_counted() -> None:
    found = figures([strike(end__placements__h={"release": "r1", "known": False})])
    assert found.good
    assert found.unknown == 1


def test_a_recovery_that_is_too_slow_fails_the_round() -> None:
    quick = [strike() for _ in range(99)]
    assert figures([*quick, strike(end__completed_at=DIED + 90_000_000)]).good
    slow = [strike(end__completed_at=DIED + 61_000_000) for _ in range(2)]
    assert not figures([*quick, *slow]).good


def test_only_the_last_strike_of_a_deployment_is_followed_by_its_recovery() -> None:
    assert judge(strike(last=False)).recovery is None


def test_marks_after_the_end_are_late() -> None:
    marks = [Mark("build", 1_000, NEW, "r2", 7), Mark("step", 10_000_000, NEW, "r2", 7)]
    assert late(marks, 2_000, NEW, 10_000) == []
    assert len(late(marks, 2_000, NEW, 9_999)) == 1
    assert len(late(marks, 10_000_001, NEW, 10_000)) == 1
    assert late([Mark("start", 10_000_001, OLD, "r1", 9)], None, NEW, 10_000)


def test_marks_belong_into_the_time_of_an_attempt() -> None:
    windows = {OLD: (0, 10), NEW: (20, 30)}
    inside = [Mark("build", 5_000, OLD, "r1", 1), Mark("start", 25_000, OLD, "r1", 2)]
    assert outside(inside, windows) == []
    assert outside([Mark("step", 25_000, OLD, "r1", 1)], windows), "of another's time"
    assert outside([Mark("start", 15_000, NEW, "r2", 1)], windows), "of nobody's time"
    assert outside([Mark("build", 25_000, "c" * 40, "r3", 1)], windows), "of no attempt"


def test_who_began_before_one_accepted_earlier_overtook() -> None:
    assert overtook([("a", 1), ("b", None), ("c", 5)]) == []
    assert overtook([("a", 5), ("b", 1)]) == ["b"]


def test_a_host_is_read_as_it_says() -> None:
    said = 'current r2\nswitched 12.5\nactive 40\nfence {"deployment": "dep_1"}\n'
    said += f"mark build 1 {OLD} r1 20\nmark start 2 {NEW} r2 40\n"
    look = read_look(said)
    assert (look.current, look.running, look.switched) == ("r2", "r2", 12_500_000_000)
    assert look.fence == {"deployment": "dep_1"}
    assert [mark.what for mark in look.of(NEW)] == ["start"]
    assert read_look(said.replace("active 40", "active 41")).running == "unknown"
    assert read_look(said.replace("active 40", "active 0")).running is None
    empty = read_look("")
    assert (empty.current, empty.running, empty.marks, empty.fence) == (None, None, (), {})


def test_percentiles_are_values_that_were_seen() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 99) == 4.0
    assert percentile([float(n) for n in range(1, 101)], 99) == 99.0


def test_the_figures_come_from_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "chaos.jsonl"
    praised = {**strike(end__rows=2), "verdict": {"counts": True, "untrue": []}}
    file.write_text("".join(f"{json.dumps(line)}\n" for line in (strike(), praised, sweep())))
    found = figures(read(file))
    assert (found.kills, found.duplicated) == (2, 1)
    last = "chaos: kills=2 lost=0 duplicated=1 stuck=0 late_steps=0 wrong_records=1 "
    assert found.lines()[-1] == f"{last}recovery_p50=4.0 recovery_p99=4.0"


def test_a_cancel_counts_where_it_met_a_build(tmp_path: Path) -> None:
    met = strike(how="cancel", end__status="cancelled")
    early = strike(how="cancel", end__status="cancelled", host_marker__h__marks=0)
    other = strike(how="cancel", end__status="success")
    found = figures([met, early, other])
    assert "cancels: cancelled=1 late_steps=0" in found.lines()
    late_one = strike(how="cancel", end__status="cancelled", end__hosts__h__late=["step 1 x"])
    assert "cancels: cancelled=1 late_steps=1" in figures([late_one]).lines()
    assert not figures([late_one]).good


def test_a_short_round_has_every_failpoint_and_a_long_one_too() -> None:
    import random

    assert {job.how for job in one_of_each(random.Random(1))} >= NAMES
    twice = [job.how for job in one_of_each(random.Random(1), 2)]
    assert all(twice.count(name) == 2 for name in NAMES)
    jobs = endless(random.Random(2))
    long = [next(jobs) for _ in range(200)]
    assert {job.how for job in long} >= NAMES
    assert sum(job.how in EARLY for job in long) < len(long) / 5
    assert all(Armed(job.failpoint).times == job.passage for job in long if job.failpoint)
