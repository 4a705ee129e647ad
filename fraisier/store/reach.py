"""The targets that somebody reaches, as a condition in SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, false, func, or_, true

from fraisier.domain.reach import Reach
from fraisier.store.tables import targets


def reached(reach: Reach) -> Any:
    """Return the condition that a row of targets is within a reach.

    Beginnings are compared as they are: LIKE would not heed case everywhere, and knows wildcards.
    """
    if reach.everything:
        return true()
    fitting = [
        and_(_fits(targets.c.fraise, fraise), _fits(targets.c.environment, environment))
        for fraise, environment in reach.halves
    ]
    return or_(false(), *fitting)


def _fits(column: Any, pattern: str) -> Any:
    if not pattern.endswith("*"):
        return column == pattern
    beginning = pattern[:-1]
    return func.substr(column, 1, len(beginning)) == beginning if beginning else true()
