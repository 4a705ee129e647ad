"""JSON from strangers: what is not plain is refused before anybody looks at it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from fraisier.domain.plain_text import clean

#: What databases and other programs take: 63 bits, and fewer levels than MySQL's 100.
LARGEST = 2**63 - 1
DEEPEST = 40
TOO_DEEP = "[left out: nested too deep]"


class NotPlain(ValueError):
    """It is no JSON, not UTF-8, too deep, has a key twice, or a number that JSON does not know."""


def loads(body: bytes) -> Any:
    """Return what a body says, or raise NotPlain."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise NotPlain("the body is not JSON with each key once, in UTF-8") from None


def plain(value: Any, text: Callable[[str], str] = clean, levels: int = DEEPEST) -> Any:
    """Return a value of any origin as JSON that can be kept and shown.

    `text` is applied to each text, keys included. A number that is not finite or has more than 63
    bits becomes text, and what lies below so many `levels` a remark.
    """
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -LARGEST <= value <= LARGEST else "[left out: a number of over 63 bits]"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if not isinstance(value, Mapping | list | tuple):
        return text(str(value))
    if levels <= 0:
        return TOO_DEEP
    if isinstance(value, Mapping):
        return {text(str(key)): plain(part, text, levels - 1) for key, part in value.items()}
    return [plain(part, text, levels - 1) for part in value]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
