# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What an analysis can measure: the proxy's figures, a request, a command, a query."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping
from urllib.parse import urlencode, urlsplit

from . import health
from .analysis_rules import Metric
from .check import Check
from .commands import run
from .conditions import Result
from .headers import without_queries
from .health import Place
from .redaction import shorten

#: Returns a result, or None where there was nothing to measure; raises Unmeasured.
Measure = Callable[[], "Result | None"]
ANSWER_LIMIT = 4 * 1024 * 1024
#: Over so many requests HAProxy takes its means (TIME_STATS_SAMPLES of its source).
WINDOW = 512


class Unmeasured(Exception):
    """Whoever was asked gave no answer; the text says why."""


@dataclass(frozen=True)
class Scene:
    """What measures look at: the staged colour's figures, and where commands run.

    `figures` returns the figures of the staged server alone.
    """

    figures: Callable[[], Any]
    place: Place = field(default_factory=Place)


def measure_of(metric: Metric, scene: Scene) -> Measure:
    """Return what measures a metric, again and again."""
    if metric.kind == "proxy":
        return ErrorRate(scene) if metric.options["measure"] == "error_rate" else Latency(scene)
    if metric.kind == "http":
        return lambda: _http(metric)
    if metric.kind == "exec":
        return lambda: _exec(metric, scene.place)
    return lambda: _prometheus(metric)


class ErrorRate:
    """5xx answers and failed connections of the staged server, over its requests since before."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._before = self._count()

    def __call__(self) -> float | None:
        """Return the rate, from 0 to 1; None where no request came."""
        now, before = self._count(), self._before
        self._before = now
        requests, errors = now[0] - before[0], now[1] - before[1]
        if requests < 0 or errors < 0:  # the proxy counts anew
            requests, errors = now
        if requests <= 0:
            return 1.0 if errors > 0 else None
        return min(1.0, errors / requests)

    def _count(self) -> tuple[int, int]:
        found = self._scene.figures()
        return found.requests, found.errors_5xx + found.connection_errors


class Latency:
    """The mean response time of the staged server in seconds, since before.

    The proxy tells the mean of the last requests alone, from which what was before is taken out.
    It tells whole milliseconds, so of few requests among many the mean is not exact.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._before = self._seen()

    def __call__(self) -> float | None:
        """Return the seconds; None where no request came since before."""
        now, before = self._seen(), self._before
        self._before = now
        if now[0] < before[0]:  # the proxy counts anew
            before = (0, 0.0)
        return mean_since(before, now) if now[0] > before[0] else None

    def _seen(self) -> tuple[int, float]:
        found = self._scene.figures()
        return found.requests, float(found.response_seconds)


def mean_since(before: tuple[int, float], now: tuple[int, float]) -> float:
    """Return the mean of what came between two looks, each (requests so far, their mean).

    The mean is that of all requests up to WINDOW; beyond that each new one counts for a
    WINDOW-th, and what was before fades.
    """
    first, last = min(before[0], WINDOW), min(now[0], WINDOW)
    beyond = max(0, now[0] - max(before[0], WINDOW))
    kept = (first / last) * (1 - 1 / WINDOW) ** beyond
    return max(0.0, (now[1] - before[1] * kept) / (1 - kept))


def _http(metric: Metric) -> float:
    given = metric.options
    headers = {str(name): str(value) for name, value in (given.get("headers") or {}).items()}
    if given.get("host"):
        headers["Host"] = str(given["host"])
    check = Check(type="http", url=str(given["url"]), headers=headers, timeout=metric.timeout)
    return 1.0 if health.attempt(check, Place(), metric.timeout)[0] else 0.0


def _exec(metric: Metric, place: Place) -> float:
    command = metric.options["command"]
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else [str(w) for w in command]
    finished = run(
        argv, env=place.environment, cwd=place.folder, user=place.user, timeout=metric.timeout
    )
    if finished.timed_out:
        raise Unmeasured(f"the command did not end within {metric.timeout:g} s")
    return float(finished.code)


def _prometheus(metric: Metric) -> Result:
    base = str(metric.options["url"]).rstrip("/")
    if urlsplit(base).scheme not in ("http", "https"):
        raise Unmeasured(f"{without_queries(base)!r} is no http URL")
    url = f"{base}/api/v1/query?{urlencode({'query': str(metric.options['query'])})}"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=metric.timeout) as answer:
            return values_of(json.loads(answer.read(ANSWER_LIMIT)))
    except urllib.error.HTTPError as error:
        raise Unmeasured(f"Prometheus answers HTTP {error.code}: {_said(error)}") from None
    except (OSError, ValueError) as error:
        raise Unmeasured(f"Prometheus does not answer: {error}") from None


def values_of(answer: Mapping[str, Any]) -> Result:
    """Return the values of an instant query: a scalar's one, or all of a vector in its order."""
    data = answer.get("data") or {}
    kind, found = data.get("resultType"), data.get("result")
    if answer.get("status") != "success" or kind not in ("vector", "scalar"):
        raise Unmeasured(f"the query gives {kind or answer.get('error')!r}, no vector or scalar")
    if kind == "scalar":
        return float(found[1])
    return [float(each["value"][1]) for each in found]


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return shorten(str(json.loads(error.read(ANSWER_LIMIT)).get("error", "")), 200)
    except (OSError, ValueError, AttributeError):
        return str(error.reason)
