# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Measuring for a while, and ending at once when it is clear that something is wrong."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Sequence

from .analysis_measures import Scene, measure_of
from .analysis_rules import (
    ERROR,
    FAILED,
    INCONCLUSIVE,
    RUNNING,
    SUCCESSFUL,
    Metric,
    Tally,
)
from .conditions import Result
from .contained import require_heard
from .failure import Failure

#: How often it is seen whether somebody still listens.
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Verdict:
    """How it ended: `successful`, `inconclusive`, `failed` or `error`, and why in a sentence."""

    verdict: str
    tallies: Sequence[Tally] = ()

    @property
    def good(self) -> bool:
        """False where the release has to lose its traffic."""
        return self.verdict in (SUCCESSFUL, INCONCLUSIVE)

    def as_list(self) -> list[dict[str, Any]]:
        """Return what was measured in the shape the modules return it."""
        return [tally.as_dict() for tally in self.tallies]

    def failure(self, who: str) -> Failure:
        """Return the Failure of an analysis that failed."""
        bad = [tally for tally in self.tallies if tally.verdict() in (FAILED, ERROR)]
        told = "; ".join(f"{tally.metric.name}: {tally.last}" for tally in bad)
        return Failure(
            "analysis_failed",
            f"the analysis of {who} failed: {told}",
            "it gets no traffic any more; see what it did, then deploy another version",
        )


def watch(
    metrics: Sequence[Metric],
    scene: Scene,
    seconds: float,
    look: Callable[[], None] = require_heard,
) -> Verdict:
    """Measure for so many seconds and return the verdict; at once where a metric fails.

    `look` is called again and again meanwhile, and what it raises ends it.
    """
    began = time.monotonic()
    told: queue.Queue[tuple[Tally, str, str]] = queue.Queue()
    tallies, over = [Tally(metric) for metric in metrics], threading.Event()
    threads = [
        threading.Thread(target=_measure, args=(tally, scene, began, seconds, told, over))
        for tally in tallies
    ]
    grace = max((metric.timeout for metric in metrics), default=0.0)
    try:
        for thread in threads:
            thread.daemon = True
            thread.start()
        while _goes_on(threads, time.monotonic() - began, seconds, grace):
            look()
            _take(told, LOOK_SECONDS)
            if any(tally.verdict() in (FAILED, ERROR) for tally in tallies):
                break
    finally:
        over.set()
    while _take(told, 0.0):
        pass
    return Verdict(worst([tally.verdict(over=True) for tally in tallies]), tallies)


def moments(interval: float, seconds: float) -> list[float]:
    """Return when to measure, in seconds from the beginning: once an interval, at least once."""
    times = [interval * number for number in range(1, int(seconds / interval) + 1)]
    return times or [seconds]


def worst(verdicts: Sequence[str]) -> str:
    """Return the verdict of several metrics: the worst of theirs."""
    for each in (FAILED, ERROR, INCONCLUSIVE):
        if each in verdicts:
            return each
    return SUCCESSFUL


def _goes_on(
    threads: Sequence[threading.Thread], passed: float, seconds: float, grace: float
) -> bool:
    """True until the time is over, and a little longer while the last answers are on their way."""
    return passed < seconds or (
        passed < seconds + grace and any(thread.is_alive() for thread in threads)
    )


def _take(told: queue.Queue[tuple[Tally, str, str]], seconds: float) -> bool:
    """Count what a measurement gave; False where none came within so many seconds."""
    try:
        tally, phase, text = told.get(timeout=seconds) if seconds else told.get_nowait()
    except queue.Empty:
        return False
    if tally.verdict() in (RUNNING, INCONCLUSIVE):
        tally.add(phase, text)
    return True


def _measure(
    tally: Tally,
    scene: Scene,
    began: float,
    seconds: float,
    told: queue.Queue[tuple[Tally, str, str]],
    over: threading.Event,
) -> None:
    """Measure at every moment and tell, until it is clear how the metric stands."""
    metric, measure = tally.metric, None
    for moment in [0.0, *moments(metric.interval, seconds)]:
        if over.wait(max(0.0, began + moment - time.monotonic())):
            return
        if tally.verdict() not in (RUNNING, INCONCLUSIVE):
            return
        try:
            if measure is None:  # a rate is measured from here on
                measure = measure_of(metric, scene)
            if moment:
                told.put((tally, *_judged(metric, measure())))
        except Exception as error:  # whatever it is: a metric that nobody measures would be good
            if moment:
                told.put((tally, ERROR, str(error) or type(error).__name__))


def _judged(metric: Metric, result: Result | None) -> tuple[str, str]:
    """Return the phase of a measurement, and what was seen."""
    if result is None:
        return metric.judge(None), "no requests came"
    shown = f"{result:g}" if isinstance(result, (int, float)) else f"{[*result][:5]}"
    conditions = [each.text for each in (metric.success, metric.failure) if each is not None]
    return metric.judge(result), f"result is {shown} (asked: {'; '.join(conditions)})"
