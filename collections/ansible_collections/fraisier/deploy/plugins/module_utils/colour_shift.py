# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Giving a staged colour a part of the traffic, and measuring how it does."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from . import analysis, colours
from .activate import GUILTY
from .analysis_measures import Scene
from .analysis_rules import SUCCESSFUL, Metric
from .colour_ground import open_pair
from .colour_pair import ALL, Pair
from .commands import User
from .deploy import served_before
from .failure import Failure
from .health import Place
from .host_check import check_ground
from .prepare import command_environment
from .releases import BAD, Release
from .site import Site

FAILED = "analysis_failed"


def shift(site: Site, weight: int, seconds: float, metrics: list[Metric]) -> dict[str, Any]:
    """Give what is staged `weight` percent; return `verdict` and `analysis` of so many seconds.

    On whatever ends it before its time, the staged colour gets nothing any more; with a failed
    analysis its release is marked bad. On success, and when nothing could be found out, it keeps
    its part. Where nothing is staged nothing is done.
    """
    if not 0 <= weight <= ALL:
        raise Failure("analysis_invalid", f"weight {weight} is not from 0 to 100", "correct it")
    user = check_ground(site)
    site.enter(user)
    pair = open_pair(site)
    site.previous = served_before(site)
    colour = pair.record.staged
    release = pair.release(colour)
    if colour is None or release is None:
        return {"verdict": SUCCESSFUL, "analysis": []}
    if pair.record.live is None:
        site.report.say("shift", "nothing else serves here yet, so there is nothing to share")
        return {"verdict": SUCCESSFUL, "analysis": []}
    try:
        with site.report.step("shift") as step:
            pair.require_seen(colour)
            step["changed"] = pair.give(colour, weight)
            site.switched = weight > 0
        if not seconds:
            return {"verdict": SUCCESSFUL, "analysis": []}
        verdict = _measured(pair, colour, release, user, seconds, metrics)
    except BaseException as error:
        with site.report.step("take back"):
            pair.all_to_live()
        if isinstance(error, Failure) and error.code in (*GUILTY, FAILED):
            site.ledger.mark(release, BAD)
        raise
    return {"verdict": verdict.verdict, "analysis": verdict.as_list()}


def examine(site: Site) -> dict[str, Any]:
    """Look whether anything is staged, as `shift` would, and change nothing."""
    check_ground(site)
    site.fence.examine(site.claim)
    record = colours.read(site.layout.state)
    site.changed = bool(record and record.staged)
    return {"verdict": SUCCESSFUL, "analysis": []}


def _measured(
    pair: Pair, colour: str, release: Release, user: User, seconds: float, metrics: list[Metric]
) -> analysis.Verdict:
    """Measure, and take the traffic away at once where it is bad; raises Failure then."""
    site, seat = pair.site, pair.seat(colour)
    environment = command_environment(site, release.version, release.id, user)
    place = Place(user, seat.folder, {**environment, **seat.environment})
    scene = Scene(lambda: pair.traffic.figures(pair.record.backend)[colour], place)
    with site.report.step("measure"):
        verdict = analysis.watch(metrics, scene, seconds)
        for tally in verdict.as_list():
            site.report.say("measure", _line(tally))
        if not verdict.good:
            with suppress(Failure):  # the way out of this tries again, and tells
                pair.all_to_live()
            raise verdict.failure(f"{site.service.fraise} ({release.version[:12]})")
    return verdict


def _line(tally: dict[str, Any]) -> str:
    phases = ", ".join(tally["measurements"]) or "none"
    return f"{tally['name']}: {tally['verdict']}; measurements: {phases}; last: {tally['last']}"
