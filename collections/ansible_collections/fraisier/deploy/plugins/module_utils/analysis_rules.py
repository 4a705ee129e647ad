# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What measurements say together: the rules of an analysis, in Argo Rollouts' words. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Mapping

from .conditions import Condition, Result, parse
from .failure import Failure

SUCCESSFUL, FAILED, INCONCLUSIVE, ERROR = "successful", "failed", "inconclusive", "error"
RUNNING = "running"
KINDS = ("proxy", "http", "exec", "prometheus")
MEASURES = ("error_rate", "latency")
#: So many measurements in a row may come to nothing because whoever is asked does not answer.
ERROR_LIMIT = 4
_SUCCESS = {"http": "result == 1", "exec": "result == 0"}


@dataclass(frozen=True)
class Metric:
    """One thing that is measured, and what is wanted of it. Times in seconds.

    `count` None: as often as there is time. A limit is how many are still borne.
    `consecutive_success_limit`: after so many good ones in a row no more are needed; 0: never.
    """

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    interval: float = 5.0
    count: int | None = None
    success: Condition | None = None
    failure: Condition | None = None
    failure_limit: int = 0
    inconclusive_limit: int = 0
    consecutive_success_limit: int = 0
    timeout: float = 10.0

    def judge(self, result: Result | None) -> str:
        """Return the phase of one measurement; None: there was nothing to measure."""
        conditions = [each for each in (self.success, self.failure) if each is not None]
        if result is None or not all(each.measurable(result) for each in conditions):
            return INCONCLUSIVE
        if self.failure is not None and self.failure.holds(result):
            return FAILED
        if self.success is None:
            return SUCCESSFUL
        if self.success.holds(result):
            return SUCCESSFUL
        return FAILED if self.failure is None else INCONCLUSIVE


@dataclass
class Tally:
    """The measurements of a metric so far. `last`: the last result or what prevented it."""

    metric: Metric
    phases: list[str] = field(default_factory=list)
    last: str = "nothing was measured"

    def add(self, phase: str, told: str) -> None:
        """Count a measurement."""
        self.phases.append(phase)
        self.last = told

    def verdict(self, over: bool = False) -> str:
        """Return how it stands: `running` while more may come; `over`: no more come."""
        metric = self.metric
        if self.phases.count(FAILED) > metric.failure_limit:
            return FAILED
        if self._in_a_row(ERROR) > ERROR_LIMIT:
            return ERROR
        if self.phases.count(INCONCLUSIVE) > metric.inconclusive_limit:
            return INCONCLUSIVE
        enough = metric.consecutive_success_limit
        if enough and self._in_a_row(SUCCESSFUL) >= enough:
            return SUCCESSFUL
        counted = sum(phase != ERROR for phase in self.phases)
        if not over and (metric.count is None or counted < metric.count):
            return RUNNING
        return SUCCESSFUL if counted and not enough else INCONCLUSIVE

    def as_dict(self, over: bool = True) -> dict[str, Any]:
        """Return it in the shape the modules return it."""
        return {
            "name": self.metric.name,
            "type": self.metric.kind,
            "verdict": self.verdict(over),
            "measurements": list(self.phases),
            "last": self.last,
        }

    def _in_a_row(self, phase: str) -> int:
        number = 0
        for each in reversed(self.phases):
            if each != phase:
                break
            number += 1
        return number


def read_metrics(analysis: Any) -> list[Metric]:
    """Return the metrics of an option `analysis`; raises Failure `analysis_invalid`."""
    return [_metric(number, dict(given)) for number, given in enumerate(analysis or ())]


def _metric(number: int, given: dict[str, Any]) -> Metric:
    kind = given.get("type")
    name = str(given.get("name") or f"{kind} {number + 1}")
    success = given.get("success_condition") or _SUCCESS.get(str(kind))
    failure = given.get("failure_condition")
    try:
        _check(kind, given, success or failure)
        return Metric(
            name=name,
            kind=str(kind),
            options=given,
            interval=_positive(given, "interval", 5.0),
            count=int(given["count"]) if given.get("count") is not None else None,
            success=parse(success) if success else None,
            failure=parse(failure) if failure else None,
            failure_limit=int(given.get("failure_limit") or 0),
            inconclusive_limit=int(given.get("inconclusive_limit") or 0),
            consecutive_success_limit=int(given.get("consecutive_success_limit") or 0),
            timeout=_positive(given, "timeout", 10.0),
        )
    except (TypeError, ValueError) as error:
        raise Failure(
            "analysis_invalid", f"the analysis {name!r}: {error}", "correct it in strategy_config"
        ) from None


def _check(kind: Any, given: Mapping[str, Any], condition: Any) -> None:
    if kind not in KINDS:
        raise ValueError(f"type must be one of {', '.join(KINDS)}")
    if kind == "proxy" and given.get("measure") not in MEASURES:
        raise ValueError(f"measure must be one of {', '.join(MEASURES)}")
    needed = {"http": ("url",), "exec": ("command",), "prometheus": ("url", "query")}.get(kind, ())
    for key in needed:
        if not given.get(key):
            raise ValueError(f"type {kind} needs {key}")
    if not condition:
        raise ValueError(f"type {kind} needs success_condition or failure_condition")


def _positive(given: Mapping[str, Any], key: str, default: float) -> float:
    value = float(given[key]) if given.get(key) is not None else default
    if math.isnan(value) or value <= 0:
        raise ValueError(f"{key} must be more than 0")
    return value
