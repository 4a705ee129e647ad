"""YAML in which every string is `!unsafe`: Ansible will never read a template in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fraisier.domain.errors import RunnerError


def unsafe_yaml(value: Any) -> str:
    """Write plain data (mappings, lists, text, numbers, booleans, None) as one line of YAML."""
    if isinstance(value, Mapping):
        pairs = (f"{_scalar(str(key))}: {unsafe_yaml(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(unsafe_yaml(item) for item in value) + "]"
    if isinstance(value, str):
        return f"!unsafe {_scalar(value)}"
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value, allow_nan=False)
    raise TypeError(f"not plain data: {type(value).__name__}")


def _scalar(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RunnerError("a value holds half of a character (a lone surrogate)") from None
    return "".join(_escaped(character) for character in json.dumps(text, ensure_ascii=False))


def _escaped(character: str) -> str:
    # JSON leaves these as they are; YAML refuses or folds them
    if character in "\x7f\x85\u2028\u2029\ufeff\ufffe\uffff" or "\x80" <= character <= "\x9f":
        return f"\\u{ord(character):04x}"
    return character
