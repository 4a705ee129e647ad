"""Templates: what is refused, and that nothing in them is evaluated."""

from __future__ import annotations

import pytest

from fraisier.domain.template import LONGEST, NAMES, fill, template_problem


@pytest.mark.parametrize("text", ["", "plain", "{fraise} {status}", "{{ }} {{fraise}}", "$x %s"])
def test_a_good_template_is_taken(text: str) -> None:
    assert template_problem(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{status.__class__}", "write a name in braces"),
        ("{status!r}", "write a name in braces"),
        ("{status:>10}", "write a name in braces"),
        ("{0}", "write a name in braces"),
        ("{}", "write a name in braces"),
        ("{status", "write a name in braces"),
        ("status}", "write a name in braces"),
        ("{password}", "knows no {password}; it may name: event, summary"),
        ("{__class__}", "knows no {__class__}"),
        ("x" * (LONGEST + 1), "is longer than"),
    ],
)
def test_what_is_no_name_of_ours_is_refused(text: str, said: str) -> None:
    assert said in (template_problem(text) or "")


def test_values_are_put_in_as_they_are() -> None:
    assert fill("{fraise}: {reason}", {"fraise": "{reason}", "reason": "{fraise}"}) == (
        "{reason}: {fraise}"
    )
    assert fill("a{{b}}c {status}", {}) == "a{b}c -"


def test_every_name_says_what_it_is() -> None:
    assert all(NAMES.values())
