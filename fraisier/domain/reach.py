"""Which targets a token reaches: patterns of fraise/environment, and nothing beyond them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fraisier.domain.errors import UsageError

ALL = "*/*"
#: Bounds of what one token may say: how many patterns, and their length with commas between.
MOST, LONGEST = 50, 2000
_HALF = r"(?:\*|[A-Za-z][A-Za-z0-9_-]{0,62}\*?)"
PATTERN = re.compile(rf"{_HALF}/{_HALF}")


@dataclass(frozen=True)
class Reach:
    """The targets that a token reaches. Without a pattern it is none at all.

    Each half of a pattern is a name, `*`, or the beginning of names and then `*`. Case counts.
    """

    patterns: tuple[str, ...]

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Reach:
        """Return the reach of patterns as a person wrote them, or raise UsageError."""
        given = tuple(dict.fromkeys(patterns))
        wrong = next((each for each in given if not PATTERN.fullmatch(each)), None)
        if wrong is not None or not given:
            raise UsageError(
                f'"{wrong or ""}" names no targets',
                "write FRAISE/ENVIRONMENT, where each is a name, * or the beginning of names and "
                "then *: my_api/production, my_*/*",
            )
        if len(given) > MOST or len(",".join(given)) > LONGEST:
            raise UsageError(
                f"a token names at most {MOST} patterns, of {LONGEST} characters in all",
                "make it reach more with *, or make several tokens",
            )
        return cls(given)

    @property
    def everything(self) -> bool:
        """True where no target, of now or later, is left out."""
        return ALL in self.patterns

    @property
    def halves(self) -> list[tuple[str, str]]:
        """Return for each pattern what it says of fraises, and what of environments."""
        return [(fraise, environment) for fraise, _, environment in
                (pattern.partition("/") for pattern in self.patterns)]  # fmt: skip

    def covers(self, fraise: str, environment: str) -> bool:
        """True where a target is within this reach."""
        return any(_fits(mine, fraise) and _fits(its, environment) for mine, its in self.halves)

    def within(self, other: Reach) -> bool:
        """True where each pattern of this reach is inside one of another's."""
        return all(
            any(_inside(f, of_f) and _inside(e, of_e) for of_f, of_e in other.halves)
            for f, e in self.halves
        )


EVERYTHING, NOTHING = Reach((ALL,)), Reach(())


def _fits(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _inside(narrow: str, wide: str) -> bool:
    """True where all names that one half of a pattern fits are fitted by another."""
    if not wide.endswith("*"):
        return narrow == wide
    return narrow.removesuffix("*").startswith(wide[:-1])
