"""The figures of a round, computed from chaos.jsonl and from nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.jobs import AROUND
from chaos.judge import Verdict, judge

SLOWEST = 60.0


@dataclass(frozen=True)
class Figures:
    """What a round comes to. `others`: kills without a live attempt, and other faults."""

    kills: int
    others: int
    lost: int
    duplicated: int
    stuck: int
    late_steps: int
    untrue: tuple[str, ...]
    unknown: int
    cancelled: int
    faults: Counter[str]
    recovery_p50: float
    recovery_p99: float
    by: Mapping[str, Counter[str]]

    @property
    def good(self) -> bool:
        """True where nothing is wrong, and something was tried."""
        wrong = self.lost or self.duplicated or self.stuck or self.late_steps or self.untrue
        slow = self.kills and not self.recovery_p99 <= SLOWEST
        return bool(self.kills or self.cancelled or self.faults) and not wrong and not slow

    def lines(self) -> list[str]:
        """Return the figures for people, the one line of them last."""
        told = [f"not true: {each}" for each in self.untrue]
        told += [f"{name}: {_told(counter)}" for name, counter in self.by.items()]
        told += [
            f"other kills and faults: {self.others}, ends with an unknown host: {self.unknown}"
        ]
        if self.faults:
            told.append(f"faults: {_told(self.faults)}")
        if self.cancelled:
            told.append(f"cancels: cancelled={self.cancelled} late_steps={self.late_steps}")
        return [
            *told,
            f"chaos: kills={self.kills} lost={self.lost} duplicated={self.duplicated} "
            f"stuck={self.stuck} late_steps={self.late_steps} wrong_records={len(self.untrue)} "
            f"recovery_p50={self.recovery_p50:.1f} recovery_p99={self.recovery_p99:.1f}",
        ]


def figures(lines: Iterable[Mapping[str, Any]]) -> Figures:
    """Judge every line anew and add up."""
    judged = [(line, judge(line)) for line in lines]
    verdicts = [verdict for _, verdict in judged]
    counted = [line for line, verdict in judged if verdict.counts]
    slow = sorted(v.recovery for v in verdicts if v.counts and v.recovery is not None)
    return Figures(
        kills=len(counted),
        others=sum(line["kind"] != "sweep" and not v.counts for line, v in judged),
        lost=sum(v.lost for v in verdicts),
        duplicated=sum(v.duplicated for v in verdicts),
        stuck=sum(v.stuck for v in verdicts),
        late_steps=sum(v.late_steps for v in verdicts),
        untrue=tuple(_named(line, v, each) for line, v in judged for each in (*v.untrue, *v.why)),
        unknown=sum(v.unknown for v in verdicts),
        cancelled=sum(is_cancelled(line) for line, _ in judged),
        faults=Counter(line["how"] for line, _ in judged if line.get("how") in AROUND),
        recovery_p50=percentile(slow, 50),
        recovery_p99=percentile(slow, 99),
        by={
            name: Counter(line[name] for line in counted) for name in ("database", "how", "victim")
        },
    )


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a chaos.jsonl."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest value that so many percent are not above; nan where there is none."""
    if not ordered:
        return float("nan")
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _named(line: Mapping[str, Any], _verdict: Verdict, what: str) -> str:
    return f"{line['database']} {line.get('how', 'sweep')} {line.get('deployment', '')}: {what}"


def _told(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counter.items()))


def is_cancelled(line: Mapping[str, Any]) -> bool:
    """Return whether a line tells of a deployment that was cancelled while it built on a host."""
    cancelled = line.get("how") == "cancel" and line["end"]["status"] == "cancelled"
    return cancelled and any(host["marks"] for host in line["host_marker"].values())
