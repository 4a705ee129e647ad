"""Fills in a schema's defaults, so that each default has one home: the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fraisier.config.keys import resolve_ref

Schema = Mapping[str, Any]


def fill(value: Any, schema: Schema, root: Schema | None = None) -> Any:
    """Return a copy of a valid value with defaults added and the user's `x-` keys left out.

    Whole numbers written as 5.0 become integers where the schema wants those.
    """
    root = schema if root is None else root
    schema = resolve_ref(schema, root)
    if isinstance(value, Mapping):
        return _mapping(value, schema, root)
    if isinstance(value, list):
        return [fill(item, schema.get("items", {}), root) for item in value]
    if isinstance(value, float) and value.is_integer() and _only_whole(schema):
        return int(value)
    return value


def _only_whole(schema: Schema) -> bool:
    types = schema.get("type", ())
    return "integer" in types and "number" not in types


def _mapping(value: Mapping[str, Any], schema: Schema, root: Schema) -> dict[str, Any]:
    known: dict[str, Schema] = {}
    for branch in _branches(schema, root):
        known.update(branch.get("properties", {}))
    rest = schema.get("additionalProperties")
    others = rest if isinstance(rest, Mapping) else {}
    closed = bool(known)
    filled = {
        key: fill(item, known.get(key, others), root)
        for key, item in value.items()
        if key in known or not (closed and key.startswith("x-"))
    }
    for key, child in known.items():
        default = resolve_ref(child, root).get("default")
        if key not in filled and default is not None:
            filled[key] = fill(default, child, root)
    return filled


def _branches(schema: Schema, root: Schema) -> Iterator[Schema]:
    """Yield the schema and what it always includes, or may be when it is not nothing."""
    yield schema
    for branch in schema.get("allOf", ()):
        yield from _branches(resolve_ref(branch, root), root)
