"""JSON in which every string is marked unsafe: Ansible will never read a template in it.

ansible-core reads `{"__ansible_unsafe": "text"}` in a JSON file as text that is not trusted. (Its
YAML tag `!unsafe` would turn text such as "1.10" or "no" into a number or a boolean.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fraisier.domain.errors import RunnerError


def unsafe_json(value: Any) -> str:
    """Write plain data (mappings, lists, text, numbers, booleans, None); raise RunnerError."""
    return json.dumps(_marked(value), allow_nan=False)


def _marked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _marked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(item) for item in value]
    if isinstance(value, str):
        return {"__ansible_unsafe": _whole(value)}
    if value is None or isinstance(value, bool | int | float):
        return value
    raise TypeError(f"not plain data: {type(value).__name__}")


def _whole(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RunnerError("a value holds half of a character (a lone surrogate)") from None
    return text
