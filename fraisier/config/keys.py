"""Lists every key of a schema with its description and default, for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Key = tuple[str, str, Any]


def iter_keys(schema: Mapping[str, Any], path: str = "") -> Iterator[Key]:
    """Yield (path, description, default) of each key, in the schema's order, each path once.

    Paths read `fraises.<name>.environments.<name>.provider` and `hosts[].port`; the description is
    empty and the default None where the schema has none.
    """
    seen: set[str] = set()
    for key in _walk(schema, path, schema):
        if key[0] not in seen:
            seen.add(key[0])
            yield key


def resolve_ref(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a `$ref` into the same schema (`#/$defs/host`); other keywords beside it stay."""
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return {**resolve_ref(found, root), **{k: v for k, v in schema.items() if k != "$ref"}}


def _walk(schema: Any, path: str, root: Mapping[str, Any]) -> Iterator[Key]:
    if not isinstance(schema, Mapping):
        return
    root = schema if "$id" in schema else root
    schema = resolve_ref(schema, root)
    for name, child in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        found = resolve_ref(child, root)
        yield here, found.get("description", ""), found.get("default")
        yield from _walk(child, here, root)
    for pattern, child in schema.get("patternProperties", {}).items():
        if pattern != "^x-":
            yield from _walk(child, f"{path}.<name>", root)
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from _walk(schema["additionalProperties"], f"{path}.<name>", root)
    yield from _walk(schema.get("items"), f"{path}[]", root)
    for keyword in ("then", "else"):
        yield from _walk(schema.get(keyword), path, root)
    for keyword in ("allOf", "anyOf", "oneOf"):
        for branch in schema.get(keyword, ()):
            yield from _walk(branch, path, root)
