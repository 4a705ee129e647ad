"""Cursors: opaque names of places in lists."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from marshmallow import fields

from fraisier.domain.errors import UsageError
from fraisier.domain.paging import Place

LARGEST = 2**63 - 1


class Cursor(fields.String):
    """A parameter that says where a page begins."""

    def _deserialize(self, value: Any, *arguments: Any, **more: Any) -> Any:
        return read(super()._deserialize(value, *arguments, **more))


def cursor() -> Cursor:
    """Return the parameter, for a query."""
    meaning = "`next_cursor` of the page before this one, with the same filters and order."
    return Cursor(load_default=None, metadata={"description": meaning})


def written(place: Place | None) -> str | None:
    """Return a place as a cursor."""
    if place is None:
        return None
    text = json.dumps([place.at, place.id], separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(cursor: str) -> Place:
    """Return the place that a cursor names, or raise UsageError."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        at, name = json.loads(urlsafe_b64decode(padded))
        if not _right(at, name):
            raise ValueError("of another shape")
    except (ValueError, TypeError, RecursionError):
        raise UsageError(
            "this is no cursor of a list",
            "send the next_cursor of an answer, or none to begin at the beginning",
        ) from None
    return Place(at, name)


def split(
    found: Sequence[Mapping[str, Any]], limit: int, at: str, name: str = "id"
) -> tuple[list[Mapping[str, Any]], Place | None]:
    """Return the items of a page and where the next one begins, of one item more than that.

    `at` and `name` are the keys of an item's time and id.
    """
    shown = list(found[:limit])
    if len(found) <= limit or not shown:
        return shown, None
    moment = datetime.fromisoformat(shown[-1][at])
    return shown, Place(round(moment.timestamp() * 1_000_000), shown[-1][name])


def _right(at: Any, name: Any) -> bool:
    number = type(at) is int and 0 <= at <= LARGEST
    return number and isinstance(name, str) and len(name) <= 255 and name.isprintable()
