# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of JSON Schema that provider.yml needs, so that plain Ansible needs no other package."""

from __future__ import annotations

import re
from typing import Any, Iterator, Mapping

Schema = Mapping[str, Any]
_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}


def problems(value: Any, schema: Schema, path: str) -> Iterator[str]:
    """Yield what is wrong with a value, each with its path; values are not repeated."""
    branches = schema.get("anyOf")
    if branches:
        if all(any(problems(value, branch, path)) for branch in branches):
            yield f"{path}: has none of the shapes it may have"
        return
    kinds = schema.get("type", ())
    if kinds and not any(
        _is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)
    ):
        yield f"{path}: must be of type {kinds}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{path}: must be one of {', '.join(map(str, schema['enum']))}"
    elif isinstance(value, Mapping):
        yield from _of_mapping(value, schema, path)
    elif isinstance(value, list):
        yield from _of_list(value, schema, path)
    elif isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{path}: must be {schema.get('patternErrorMessage', 'written otherwise')}"
    elif _is(value, "number") and not _in_range(value, schema):
        yield f"{path}: is out of its range"


def fill(value: Any, schema: Schema) -> Any:
    """Return a copy of a value with the schema's defaults where it says nothing."""
    if isinstance(value, Mapping):
        known = schema.get("properties", {})
        defaults = {name: part["default"] for name, part in known.items() if "default" in part}
        filled = {name: fill(item, known.get(name, {})) for name, item in value.items()}
        return {**defaults, **filled}
    if isinstance(value, list):
        return [fill(item, schema.get("items", {})) for item in value]
    return value


def _of_mapping(value: Mapping[str, Any], schema: Schema, path: str) -> Iterator[str]:
    known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            yield f'{path}: "{name}" is missing'
    for name, item in value.items():
        if name in known:
            yield from problems(item, known[name], f"{path}.{name}")
        elif isinstance(rest, Mapping):
            yield from problems(item, rest, f"{path}.{name}")
        elif rest is False and not str(name).startswith("x-"):
            yield f"{path}.{name}: unknown key; known: {', '.join(sorted(known))}"


def _of_list(value: list[Any], schema: Schema, path: str) -> Iterator[str]:
    if len(value) < schema.get("minItems", 0):
        yield f"{path}: must not be empty"
    for number, item in enumerate(value):
        yield from problems(item, schema.get("items", {}), f"{path}[{number}]")


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if is_encrypted(value):
        return kind == "string"
    return isinstance(value, _TYPES[kind])


def is_encrypted(value: Any) -> bool:
    """True for a `!vault` value, which Ansible decrypts when it is used."""
    return type(value).__name__ == "EncryptedString"


def _in_range(value: float, schema: Schema) -> bool:
    above: bool = value > schema.get("exclusiveMinimum", float("-inf"))
    return above and bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
