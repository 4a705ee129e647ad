"""JSON from strangers: what is not plain is refused before anybody looks at it."""

from __future__ import annotations

import json
from typing import Any, NoReturn


class NotPlain(ValueError):
    """It is no JSON, not UTF-8, too deep, has a key twice, or a number that JSON does not know."""


def loads(body: bytes) -> Any:
    """Return what a body says, or raise NotPlain."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise NotPlain("the body is not JSON with each key once, in UTF-8") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
