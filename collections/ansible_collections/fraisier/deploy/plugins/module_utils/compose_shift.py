# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Giving a staged colour in a container a part of the traffic, and measuring how it does."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from . import analysis, colours
from .analysis_measures import Scene
from .analysis_rules import SUCCESSFUL, Metric
from .colour_pair import ALL
from .compose_activate import GUILTY
from .compose_pair import ComposePair, open_pair
from .compose_site import ComposeSite
from .failure import Failure
from .health import Place
from .releases import BAD, Release

FAILED = "analysis_failed"


def shift(site: ComposeSite, weight: int, seconds: float, metrics: list[Metric]) -> dict[str, Any]:
    """Give what is staged `weight` percent; return `verdict` and `analysis` of so many seconds.

    On whatever ends it before its time, the staged colour gets nothing any more; with a failed
    analysis its release is marked bad. Where nothing is staged nothing is done.
    """
    if not 0 <= weight <= ALL:
        raise Failure("analysis_invalid", f"weight {weight} is not from 0 to 100", "correct it")
    site.enter()
    pair = open_pair(site)
    site.previous = site.remembered()
    colour = pair.record.staged
    release = pair.release(colour)
    if colour is None or release is None or pair.record.live is None:
        return {"verdict": SUCCESSFUL, "analysis": []}
    try:
        with site.report.step("shift") as step:
            pair.require_seen(colour)
            step["changed"] = pair.give(colour, weight)
            site.switched = weight > 0
        if not seconds:
            return {"verdict": SUCCESSFUL, "analysis": []}
        verdict = _measured(pair, colour, release, seconds, metrics)
    except BaseException as error:
        with site.report.step("take back"):
            pair.all_to_live()
        if isinstance(error, Failure) and error.code in (*GUILTY, FAILED):
            site.ledger.mark(release, BAD)
        raise
    return {"verdict": verdict.verdict, "analysis": verdict.as_list()}


def examine(site: ComposeSite) -> dict[str, Any]:
    """Look whether anything is staged, as `shift` would, and change nothing."""
    record = colours.read(site.layout.state)
    site.changed = bool(record and record.staged)
    return {"verdict": SUCCESSFUL, "analysis": []}


def _measured(
    pair: ComposePair, colour: str, release: Release, seconds: float, metrics: list[Metric]
) -> analysis.Verdict:
    """Measure, and take the traffic away at once where it is bad; raises Failure then."""
    site, port = pair.ground, pair.record.ports[colour]
    environment = {**site.docker.environment, "PORT": str(port), "FRAISIER_COLOUR": colour}
    place = Place(None, site.layout.state, environment)
    scene = Scene(lambda: pair.traffic.figures(pair.record.backend)[colour], place)
    with site.report.step("measure"):
        verdict = analysis.watch(metrics, scene, seconds)
        for tally in verdict.as_list():
            phases = ", ".join(tally["measurements"]) or "none"
            said = f"{tally['name']}: {tally['verdict']}; measurements: {phases}; "
            site.report.say("measure", f"{said}last: {tally['last']}")
        if not verdict.good:
            with suppress(Failure):  # the way out of this tries again, and tells
                pair.all_to_live()
            raise verdict.failure(f"{site.service.fraise} ({release.version[7:19]})")
    return verdict
