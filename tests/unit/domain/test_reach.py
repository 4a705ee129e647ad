"""What tokens reach: patterns of targets, where case counts and nothing else is understood."""

from __future__ import annotations

import itertools

import pytest

from fraisier.domain.errors import UsageError
from fraisier.domain.reach import EVERYTHING, NOTHING, Reach


@pytest.mark.parametrize(
    ("pattern", "fraise", "environment", "covered"),
    [
        ("*/*", "api", "production", True),
        ("api/*", "api", "production", True),
        ("api/*", "Api", "production", False),
        ("api/*", "api2", "production", False),
        ("api*/*", "api2", "production", True),
        ("a_i*/*", "api2", "production", False),
        ("*/prod*", "shop", "production", True),
        ("*/prod*", "shop", "Production", False),
        ("*/prod*", "shop", "preprod", False),
        ("api/production", "api", "staging", False),
    ],
)
def test_a_pattern_covers_what_it_says(
    pattern: str, fraise: str, environment: str, covered: bool
) -> None:
    assert Reach.of([pattern]).covers(fraise, environment) is covered


@pytest.mark.parametrize(
    "pattern",
    ["", "api", "api/", "/x", "a/b/c", "*api/*", "a*b/*", "**/*", "a?/b", "a%/b", "a,b/c", "a /b",
     "[a]/b", "a/b\n"],
)  # fmt: skip
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="names no targets"):
        Reach.of([pattern])


def test_no_patterns_and_too_many_are_refused() -> None:
    with pytest.raises(UsageError):
        Reach.of([])
    with pytest.raises(UsageError, match="at most"):
        Reach.of([f"a{number}/b" for number in range(51)])


def test_only_all_of_all_is_everything() -> None:
    assert EVERYTHING.everything
    assert Reach.of(["api/*", "*/*"]).everything
    assert not Reach.of(["api/*", "*/production"]).everything
    assert not NOTHING.everything
    assert not NOTHING.covers("api", "production")


def test_a_reach_within_another_covers_nothing_that_the_other_does_not() -> None:
    halves = ("*", "a*", "ab*", "a", "ab", "b", "b*")
    names = ("a", "ab", "abc", "b", "ba", "c")
    reaches = [Reach.of([f"{f}/{e}"]) for f, e in itertools.product(halves, halves)]
    targets = list(itertools.product(names, names))
    for one, other in itertools.product(reaches, reaches):
        covered = all(other.covers(*target) for target in targets if one.covers(*target))
        if one.within(other):
            assert covered, (one, other)
    assert Reach.of(["ab*/a"]).within(Reach.of(["a*/*"]))
    assert not Reach.of(["a*/a"]).within(Reach.of(["ab*/*"]))
    assert not Reach.of(["a*/a"]).within(Reach.of(["a/*"]))
