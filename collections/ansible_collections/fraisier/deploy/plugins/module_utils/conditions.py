# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Conditions on what an analysis measured: `result[0] >= 0.95 and result[0] < 2`. Pure.

Nothing of a condition is ever run: it is read into comparisons of numbers, or refused.
"""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence, Union

#: What was measured: a number, or the values of a vector in their order.
Result = Union[float, Sequence[float]]

LONGEST = 500
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_COMPARISON = re.compile(
    r"\s*result\s*(?:\[\s*(?P<index>\d{1,3})\s*\])?\s*(?P<operator>==|!=|<=|>=|<|>)"
    r"\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])\s*"
)
_JOINT = re.compile(r"(and|or)(?=\s)")


@dataclass(frozen=True)
class Comparison:
    """One comparison; `index` None means the result itself, or the first value of a vector."""

    index: int | None
    operator: str
    number: float

    def value(self, result: Result) -> float | None:
        """Return the number that is compared; None where the result has none."""
        if isinstance(result, (int, float)):
            found = float(result) if not self.index else None
        else:
            place = self.index or 0
            found = float(result[place]) if place < len(result) else None
        return None if found is None or math.isnan(found) else found

    def holds(self, result: Result) -> bool:
        """True when the number is there and compares so."""
        value = self.value(result)
        return value is not None and _OPERATORS[self.operator](value, self.number)


@dataclass(frozen=True)
class Condition:
    """Alternatives (`or`), each of comparisons that must all hold (`and`)."""

    alternatives: tuple[tuple[Comparison, ...], ...]
    text: str

    def measurable(self, result: Result) -> bool:
        """True when the result has every number that the condition speaks of, and none is NaN."""
        return all(
            comparison.value(result) is not None
            for comparisons in self.alternatives
            for comparison in comparisons
        )

    def holds(self, result: Result) -> bool:
        """True when the condition holds; False too where the result is not `measurable`."""
        return self.measurable(result) and any(
            all(comparison.holds(result) for comparison in comparisons)
            for comparisons in self.alternatives
        )


def parse(text: Any) -> Condition:
    """Read a condition; raises ValueError with a sentence that says what is wrong with it.

    The grammar: `result OP NUMBER` or `result[INDEX] OP NUMBER`, joined by `and` and `or`, of
    which `and` binds closer. OP is one of == != < <= > >=.
    """
    if not isinstance(text, str) or not text.strip():
        raise ValueError('a condition is a text such as "result < 0.05"')
    if len(text) > LONGEST:
        raise ValueError(f"a condition has at most {LONGEST} characters")
    alternatives: list[list[Comparison]] = [[]]
    place = 0
    while True:
        found = _COMPARISON.match(text, place)
        if found is None:
            raise ValueError(_refusal(text, place, 'a comparison such as "result[0] >= 0.95"'))
        alternatives[-1].append(_comparison(found))
        place = found.end()
        if place == len(text):
            return Condition(tuple(map(tuple, alternatives)), text.strip())
        joint = _JOINT.match(text, place)
        if joint is None:
            raise ValueError(_refusal(text, place, '"and", "or" or the end'))
        if joint[1] == "or":
            alternatives.append([])
        place = joint.end()


def _comparison(found: re.Match[str]) -> Comparison:
    index = found["index"]
    return Comparison(
        None if index is None else int(index), found["operator"], float(found["number"])
    )


def _refusal(text: str, place: int, wanted: str) -> str:
    rest = text[place:].strip()
    where = f"{rest[:40]!r} stands" if rest else "nothing follows"
    return f"the condition {text.strip()[:80]!r} cannot be read: {where} where {wanted} is expected"
