"""Lists, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, jsonify

from fraisier.api.cursors import written
from fraisier.domain.paging import Place

#: As far as is counted; of a longer list `total` is this number and `total_exact` false.
COUNTED = 10_000
#: What tells items of a list apart, in this order.
NAMES = ("id", "name", "delivery")


def page(
    noun: str,
    items: Sequence[Any],
    total: int,
    limit: int,
    offset: int,
    following: Place | None = None,
) -> Response:
    """Return a page of a list; `items` are those of the page already.

    `total` may be one more than COUNTED: then there are more. `following` is where the next page
    begins.
    """
    numbers = {
        "total": min(total, COUNTED),
        "total_exact": total <= COUNTED,
        "limit": limit,
        "offset": offset,
        "next_cursor": written(following),
    }
    return jsonify({noun: list(items), **numbers})


def page_of_all(
    noun: str, items: Sequence[Any], limit: int, offset: int, cursor: Place | None = None
) -> Response:
    """Return a page of a list that is known as a whole."""
    start = _after(items, cursor) + offset
    shown = items[start : start + limit]
    last = start + limit - 1
    following = Place(last, _name(items[last])) if last + 1 < len(items) else None
    return page(noun, shown, len(items), limit, offset, following)


def _after(items: Sequence[Any], cursor: Place | None) -> int:
    """Return the index after a place; what is gone has left its place to what came after it."""
    if cursor is None:
        return 0
    found = (index + 1 for index, item in enumerate(items) if _name(item) == cursor.id)
    return next(found, min(cursor.at, len(items)))


def _name(item: Mapping[str, Any]) -> str:
    return str(next((item[each] for each in NAMES if each in item), ""))
