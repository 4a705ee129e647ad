"""Evidence: what was seen at a strike and after the end, as one line of chaos.jsonl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos import judge
from chaos.host import Look
from chaos.target import Target

#: How many marks a line shows.
SHOWN = 5


@dataclass(frozen=True)
class Strike:
    """One kill or stall: how, of which kind of process, when (microseconds since 1970).

    `owner`: the deployment's row at that moment, with `mine` where the victim held it. `marker`:
    what each host knew of the deployment then.
    """

    how: str
    victim: str
    failpoint: str | None
    died_at: int
    owner: Mapping[str, Any] | None
    marker: Mapping[str, Any]

    def line(
        self, target: Target, deployment_id: str | None, end: dict[str, Any], last: bool
    ) -> dict[str, Any]:
        """Return the line of chaos.jsonl. `last`: nothing struck the deployment after this."""
        line = {
            "kind": "strike",
            "how": self.how,
            "victim": self.victim,
            "failpoint": self.failpoint,
            "database": target.kind,
            "target": target.name,
            "lease": target.lease,
            "deployment": deployment_id,
            "died_at": self.died_at,
            "owner": self.owner,
            "host_marker": self.marker,
            "last": last,
            "end": end,
        }
        verdict = judge.judge(line)
        told = {"counts": verdict.counts, "recovery": verdict.recovery, "why": [*verdict.why]}
        return {**line, "verdict": {**told, "untrue": [*verdict.untrue]}}


def marker_of(looks: Mapping[str, Look], version: str) -> dict[str, Any]:
    """Return what hosts know of the deployment of a version."""
    return {
        name: {
            "fence_deployment": look.fence.get("deployment"),
            "fence_number": look.fence.get("number"),
            "marks": len(look.of(version)),
            "last_mark": look.of(version)[-1].at if look.of(version) else None,
        }
        for name, look in looks.items()
    }


def end_of(
    target: Target,
    deployment_id: str | None,
    key: str,
    version: str,
    most_live: int,
    seen: int | None = None,
) -> dict[str, Any]:
    """Return how a deployment stands now, in the records and on its hosts.

    `seen` is when its end was seen, in microseconds since 1970, where the clock of whoever recorded
    the end is wrong.
    """
    records = target.records
    row = records.deployment(deployment_id) if deployment_id else None
    completed = row["completed_at"] if row else None
    looks, placed = target.look(), records.placements(target.name)
    story = records.story(deployment_id) if deployment_id else []
    return {
        "rows": len(records.with_key(key)),
        "version": version,
        "status": row["status"] if row else None,
        "reason": row["reason"] if row else None,
        "completed_at": completed,
        "story": [kind for _, kind in story],
        "numbers": [number for number, _ in story],
        "most_live": most_live,
        "placements": placed,
        "hosts": {name: _host(look, version, seen or completed) for name, look in looks.items()},
    }


def _host(look: Look, version: str, completed: int | None) -> dict[str, Any]:
    found = judge.late(look.marks, look.switched, version, completed) if completed else []
    started = [mark for mark in look.marks if mark.release == look.current]
    return {
        "current": look.current,
        "running": look.running,
        "version": started[-1].version if started else None,
        "builds": sum(mark.what == "build" for mark in look.of(version)),
        "late": found[:SHOWN],
    }


def sweep_of(
    target: Target,
    ends: Mapping[str, Mapping[str, Any]],
    seen: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, Any]:
    """Return what is true of a target once nothing works on it any more.

    `ends` maps deployments to how they stood when their end was first seen. `seen` maps versions to
    the time of their attempts where recorded times cannot be trusted.
    """
    rows = target.records.of_target(target.name)
    begun = {row["version"]: row for row in rows if row["started_at"] and row["completed_at"]}
    windows = {v: (row["started_at"], row["completed_at"]) for v, row in begun.items()}
    windows |= seen or {}
    late = [
        f"{name} {found}"
        for name, look in target.look().items()
        for found in judge.outside(look.marks, windows)
    ]
    told = ("status", "reason", "completed_at")
    now = {row["id"]: {name: row[name] for name in told} for row in rows}
    first = {each: {name: end[name] for name in told} for each, end in ends.items()}
    return {
        "kind": "sweep",
        "database": target.kind,
        "target": target.name,
        "deployments": len(rows),
        "changed": [each for each, end in first.items() if now.get(each) != end],
        "unfinished": [row["id"] for row in rows if row["status"] not in judge.ENDS],
        "overtook": [] if seen else judge.overtook([(r["id"], r["started_at"]) for r in rows]),
        "late": late,
        "untold": target.tell()[:SHOWN],
    }
