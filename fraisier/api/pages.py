"""Lists, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response, jsonify


def page(noun: str, items: Sequence[Any], total: int, limit: int, offset: int) -> Response:
    """Return a page of a list; `items` are those of the page already."""
    return jsonify({noun: list(items), "total": total, "limit": limit, "offset": offset})


def page_of_all(noun: str, items: Sequence[Any], limit: int, offset: int) -> Response:
    """Return a page of a list that is known as a whole."""
    return page(noun, items[offset : offset + limit], len(items), limit, offset)
