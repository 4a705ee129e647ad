"""The verdict on one kill, from its evidence alone. Pure; it believes nothing that is not shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.host import Mark
from chaos.jobs import AROUND, UNREACHABLE

ENDS = {
    *("success", "failed", "rolled_back", "rollback_failed"),
    *("cancelled", "superseded", "interrupted"),
}
#: What counts as a kill, beside the failpoints; other faults are told apart.
FAULTS = frozenset({"stop", "restart", "cancel", *AROUND})
MICRO = 1_000_000


@dataclass(frozen=True)
class Verdict:
    """What one line of evidence comes to. `recovery`: seconds from the death to the end.

    `counts`: the process that died owned a live attempt, and a real host knows that attempt.
    """

    counts: bool = False
    lost: int = 0
    duplicated: int = 0
    stuck: int = 0
    late_steps: int = 0
    unknown: int = 0
    untrue: tuple[str, ...] = ()
    recovery: float | None = None
    why: tuple[str, ...] = field(default=())


def judge(line: Mapping[str, Any]) -> Verdict:
    """Return the verdict on a line of chaos.jsonl."""
    if line["kind"] == "sweep":
        return _swept(line)
    end = line["end"]
    counts = line["how"] not in FAULTS and _owned(line) and _known_on_a_host(line)
    lost, stuck = int(not end["rows"]), int(bool(end["rows"]) and end["status"] not in ENDS)
    twice = _twice(end)
    late = sum(len(host["late"]) for name, host in end["hosts"].items() if _asked(line, name))
    done = not (lost or stuck) and line["last"]
    recovery = max(0.0, (end["completed_at"] - line["died_at"]) / MICRO) if done else None
    return Verdict(
        counts, lost, len(twice), stuck, late, _unknown(end),
        () if lost or stuck else tuple(_untrue(end)), recovery, tuple(twice),
    )  # fmt: skip


def _asked(line: Mapping[str, Any], host: str) -> bool:
    """False for a host that could not be asked, where the records say that it is unknown."""
    told = line["end"]["placements"].get(host)
    return not (line["how"] in UNREACHABLE and told is not None and not told["known"])


def _owned(line: Mapping[str, Any]) -> bool:
    owner = line["owner"] or {}
    return owner.get("status") == "in_progress" and bool(owner.get("mine"))


def _known_on_a_host(line: Mapping[str, Any]) -> bool:
    marker = line["host_marker"]
    return any(
        host["fence_deployment"] == line["deployment"] or host["marks"] for host in marker.values()
    )


def _twice(end: Mapping[str, Any]) -> list[str]:
    """Return what happened more than once and must not."""
    found = []
    if end["rows"] > 1:
        found.append(f"{end['rows']} deployments of one request")
    for event in ("deployment.started", "deployment.completed"):
        if (times := end["story"].count(event)) > 1:
            found.append(f"{event} {times} times")
    found += [
        f"built {h['builds']} times on {n}" for n, h in end["hosts"].items() if h["builds"] > 1
    ]
    if end["most_live"] > 1:
        found.append(f"{end['most_live']} live attempts of one target")
    return found


def _unknown(end: Mapping[str, Any]) -> int:
    return int(any(not each["known"] for each in end["placements"].values()))


def _untrue(end: Mapping[str, Any]) -> Iterable[str]:
    """Say in what the records of an ended deployment do not agree with themselves or the hosts."""
    story, numbers = end["story"], end["numbers"]
    if numbers != [*range(1, len(numbers) + 1)]:
        yield f"the log has gaps: {numbers}"
    if not story or story[-1] != "deployment.completed":
        yield f"the log does not end with the end: {story[-3:]}"
    for name, host in end["hosts"].items():
        yield from _differs(name, host, end["placements"].get(name))
        if end["status"] == "success" and host["version"] != end["version"]:
            yield f"success, and {name} serves {host['version']}"


def _differs(name: str, host: Mapping[str, Any], told: Mapping[str, Any] | None) -> Iterable[str]:
    if told is None:
        if host["current"] is not None:
            yield f"nothing is recorded of {name}, which has {host['current']}"
        return
    if not told["known"]:
        return
    if told["release"] != host["current"]:
        yield f"{name}: recorded {told['release']}, there {host['current']}"
    elif host["running"] not in (None, host["current"]):
        yield f"{name}: recorded {told['release']}, its process runs {host['running']}"


def _swept(line: Mapping[str, Any]) -> Verdict:
    """Judge what was found once nothing worked any more: later changes show here."""
    untrue = [f"{each} changed after its end" for each in line["changed"]]
    untrue += [f"{each} began before one accepted earlier" for each in line["overtook"]]
    untrue += [f"{each} did not go on to a receiver" for each in line["untold"]]
    return Verdict(
        stuck=len(line["unfinished"]), late_steps=len(line["late"]), untrue=tuple(untrue)
    )


def late(marks: Sequence[Mark], switched: int | None, version: str, completed: int) -> list[str]:
    """Return what one deployment did on a host after its end, in microseconds since 1970.

    `marks` are those of the host, `switched` when its `current` last changed; both are only looked
    at while nothing came after the deployment.
    """
    after = [
        m for m in marks if m.at > completed * 1000 and (m.version == version or m.what == "start")
    ]
    found = [f"{mark.what} {mark.at} {mark.version[:7]}" for mark in after]
    return [*found, f"switch {switched}"] if switched and switched > completed * 1000 else found


def outside(marks: Sequence[Mark], windows: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the marks that lie in no attempt: builds in their own, starts in any.

    `windows` maps a version to the time of its only attempt, in microseconds since 1970.
    """
    found = []
    for mark in marks:
        own = windows.get(mark.version)
        allowed = windows.values() if mark.what == "start" else [own] if own else []
        if not any(begin * 1000 <= mark.at <= end * 1000 for begin, end in allowed):
            found.append(f"{mark.what} {mark.at} {mark.version[:7]}")
    return found


def overtook(order: Sequence[tuple[str, int | None]]) -> list[str]:
    """Return who began before one accepted earlier; `order` has ids and times of their begin."""
    found, latest = [], 0
    for deployment_id, begun in order:
        if begun is not None and begun < latest:
            found.append(deployment_id)
        latest = max(latest, begun or 0)
    return found
