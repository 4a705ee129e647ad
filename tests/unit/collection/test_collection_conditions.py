"""Conditions of an analysis: what they say, what is no condition, and that nothing is run."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.conditions import parse


@pytest.mark.parametrize(
    ("text", "result", "holds"),
    [
        ("result < 0.05", 0.01, True),
        ("result < 0.05", 0.05, False),
        ("result <= 0.05", 0.05, True),
        ("result == 1", 1, True),
        ("result != 1", 1, False),
        ("result > -1", 0, True),
        ("result >= 1e-3", 0.001, True),
        ("result[0] >= 0.95", [0.96], True),
        ("result[0] >= 0.95", [0.94, 0.99], False),
        ("result[1] >= 0.95", [0.94, 0.99], True),
        ("result >= 0.95", [0.96], True),
        ("result[0] < 1", 0.5, True),
        ("result > 1 and result < 3", 2, True),
        ("result > 1 and result < 3", 3, False),
        ("result < 1 or result > 3", 4, True),
        ("result < 1 or result > 3 and result < 5", 6, False),
        ("result > 3 and result < 5 or result < 1", 0, True),
        ("  result<1 and result>-1 ", 0, True),
    ],
)
def test_a_condition_compares_numbers(text: str, result: Any, holds: bool) -> None:
    condition = parse(text)
    assert condition.measurable(result)
    assert condition.holds(result) is holds


@pytest.mark.parametrize("result", [[], [math.nan], math.nan])
def test_what_was_not_measured_is_neither_good_nor_bad(result: Any) -> None:
    condition = parse("result[0] >= 0.95")
    assert not condition.measurable(result)
    assert not condition.holds(result)
    assert not parse("result[0] < 0.95").holds(result)


def test_a_value_that_a_vector_lacks_is_not_measured() -> None:
    assert not parse("result[0] > 0 or result[3] > 0").measurable([1.0])
    assert not parse("result[1] > 0").measurable(2.0)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", None, 5, "result", "result <", "result < x", "result < 1 and", "result < 1 or ",
        "and result < 1", "result < 1 result > 0", "result =< 1", "result = 1", "x < 1",
        "result < 1; import os", "__import__('os').system('true')", "result[-1] < 1",
        "result[0].x < 1", "result() < 1", "result < 1andresult > 0", "result < 1 && result > 0",
        "result < 1.2.3", "result < 0x10", "not result < 1", "(result < 1)",
        "result < " + "1" * 600,
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_with_a_sentence(text: Any) -> None:
    with pytest.raises(ValueError, match="condition"):
        parse(text)


def test_the_refusal_says_where() -> None:
    with pytest.raises(ValueError, match="'nonsense' stands where"):
        parse("result < 1 and nonsense")
