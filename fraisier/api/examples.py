"""Examples for the OpenAPI document: made from the shapes, so that none can be forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fraisier.api.documents import resolved

Shape = Mapping[str, Any]
DEPLOYMENT = "dep_01m840zhy5y7k2yd9s0kpganh9"
COMMIT = "aa8e903d1a4e55c1f0b7d2f3a9c8e7d6b5a49382"
#: Names of fields and parameters -> what stands there in an example.
SAMPLES: Mapping[str, Any] = {
    "actor": "cli:ann",
    "action": "unlock",
    "branch": "main",
    "by": "cli:ann",
    "code": "refused",
    "commit": COMMIT,
    "created_by": "cli:ann",
    "default_strategy": "recreate",
    "delivery": "whk_01m840zhy5y7k2yd9s0kpganh9",
    "delivery_id": "whk_01m840zhy5y7k2yd9s0kpganh9",
    "deployment": DEPLOYMENT,
    "deployment_id": DEPLOYMENT,
    "detail": f"{DEPLOYMENT} has ended already: it is success",
    "endpoint": "chat",
    "environment": "production",
    "event": "deployment.completed",
    "event_id": "evt_01m840zhy5y7k2yd9s0kpganh9",
    "fraise": "my_api",
    "from": "staging",
    "host": "production-1.example.com",
    "id": DEPLOYMENT,
    "kind": "deploy",
    "limit": 100,
    "hint": "look at it: fraisier show DEPLOYMENT",
    "message": "Connection refused",
    "name": "my_api",
    "path": "$.version",
    "provider": "bare_metal",
    "reason": "looked at by Ann",
    "ref": "branch main",
    "region": "default",
    "released": DEPLOYMENT,
    "repository": "my-org/my-api",
    "requested_version": "main",
    "source": "staging",
    "state": "changed",
    "status": "success",
    "strategy": "recreate",
    "subject": DEPLOYMENT,
    "target": "production-1.example.com",
    "title": "Conflict",
    "to_version": COMMIT,
    "token_id": "tok_01m840zhy5y7k2yd9s0kpganh9",
    "trace_id": "trace_01m840zhy5y7k2yd9s0kpganh9",
    "triggered_by": "cli:ann",
    "type": "deployment.completed",
    "version": COMMIT,
    "verb": "deploy",
}
FORMATS = {"date-time": "2026-03-01T12:00:00.000Z"}
#: How far an example goes into shapes that hold each other.
DEEPEST = 8


def example(document: Shape, schema: Shape, name: str = "", deep: int = 0) -> Any:
    """Return a value of a schema; `name`: what the field or parameter is called."""
    schema = resolved(document, schema)
    if "example" in schema or "default" in schema:
        return schema.get("example", schema.get("default"))
    sample = SAMPLES.get(name)
    if sample is not None and _fits(schema, sample):
        return sample
    if "enum" in schema:
        return schema["enum"][0]
    if isinstance(schema.get("type"), list) and "null" in schema["type"]:
        return None
    for several in ("allOf", "anyOf", "oneOf"):
        if several in schema:
            return example(document, schema[several][0], name, deep)
    make = MAKERS.get(_kind(schema))
    return make(document, schema, name, deep) if make is not None else None


def _fits(schema: Shape, sample: Any) -> bool:
    kinds = {"string": str, "integer": int}
    return isinstance(sample, kinds.get(_kind(schema), ())) and sample in schema.get(
        "enum", (sample,)
    )


def _kind(schema: Shape) -> str:
    """Return a schema's type; where null is one of several, it is the other."""
    kind = schema.get("type", "object" if "properties" in schema else "")
    return str(kind if isinstance(kind, str) else next((k for k in kind if k != "null"), "null"))


def _object(document: Shape, schema: Shape, _name: str, deep: int) -> dict[str, Any]:
    needed = schema.get("required", ()) if deep > DEEPEST else schema.get("properties", {})
    fields = schema.get("properties", {})
    return {each: example(document, fields[each], each, deep + 1) for each in needed}


def _array(document: Shape, schema: Shape, name: str, deep: int) -> list[Any]:
    if deep > DEEPEST:
        return []
    one = example(document, schema.get("items", {}), name.removesuffix("s"), deep + 1)
    return [one]


def _string(_document: Shape, schema: Shape, name: str, _deep: int) -> str:
    return FORMATS.get(schema.get("format", ""), name.replace("_", " ") or "text")


def _number(_document: Shape, schema: Shape, _name: str, _deep: int) -> int:
    return int(schema.get("minimum", 1))


def _flag(*_: Any) -> bool:
    return False


MAKERS: Mapping[str, Callable[[Shape, Shape, str, int], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _flag,
}
