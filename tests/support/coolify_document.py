"""The published facts of Coolify's API, and whether a request or an answer keeps to them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
from jsonschema.exceptions import best_match

FACTS: dict[str, Any] = json.loads(Path(__file__).with_name("coolify_facts.json").read_text())

#: What Coolify is believed to answer although its document does not say so.
BELIEVED = {
    "403": {"type": "object", "properties": {"message": {"type": "string"}}},
    "422": FACTS["operations"]["PATCH /services/{uuid}"]["answers"]["422"]["schema"],
    "429": FACTS["limited"]["schema"],
    "500": {"type": "object", "properties": {"message": {"type": "string"}}},
}
#: What Coolify's source answers with 200 where its document promises something else.
REALLY = {
    "GET /deployments/applications/{uuid}": {
        "type": "object",
        "properties": {
            "count": {"type": "integer"},
            "deployments": {
                "type": "array",
                "items": FACTS["schemas"]["ApplicationDeploymentQueue"],
            },
        },
        "required": ["count", "deployments"],
    }
}
#: Of applications that run an image; the document's own list leaves it out.
BUILD_PACKS = [*FACTS["schemas"]["Application"]["properties"]["build_pack"]["enum"], "dockerimage"]


class Broken(Exception):
    """What was sent, or answered, is not what the document says."""


@dataclass(frozen=True)
class Operation:
    """One operation of the document, and what its path named."""

    name: str
    facts: Mapping[str, Any]
    named: Mapping[str, str]


def operation(method: str, path: str) -> Operation | None:
    """Return the operation of a request; the one with the most fixed words wins."""
    found = []
    for name, facts in FACTS["operations"].items():
        verb, _, template = name.partition(" ")
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", FACTS["prefix"] + template)
        match = re.fullmatch(pattern, path)
        if verb == method and match:
            named = {key: unquote(value) for key, value in match.groupdict().items()}
            found.append(Operation(name, facts, named))
    return min(found, key=lambda each: len(each.named), default=None)


def check_request(called: Operation, query: Mapping[str, list[str]], body: Any) -> None:
    """Raise Broken unless query and body are what the document says, unknown fields included."""
    for name, values in query.items():
        if name not in called.facts["query"]:
            raise Broken(f"unknown query parameter {name}")
        schema = called.facts["query"][name]
        _check(_typed(values[0], schema), _query_validator(called.name, name), name)
    if "body" not in called.facts:
        if body is not None:
            raise Broken("a body where there is none")
        return
    if not isinstance(body, Mapping):
        raise Broken("the body must be a JSON object")
    _check(body, _body_validator(called.name), "body")


def check_answer(called: Operation, status: int, data: Any) -> None:
    """Raise Broken unless an answer is what the document says, or is known to be believed."""
    validator = _answer_validator(called.name, str(status))
    if validator is None:
        raise Broken(f"{called.name} is not said to answer {status}")
    _check(data, validator, f"answer {status}")


def _check(value: Any, validator: Any, what: str) -> None:
    error = best_match(validator.iter_errors(value))
    if error is not None:
        where = "/".join(map(str, error.absolute_path))
        raise Broken(f"{what} {where}: {error.message}")


@cache
def _query_validator(name: str, parameter: str) -> Any:
    return _validator(FACTS["operations"][name]["query"][parameter])


@cache
def _body_validator(name: str) -> Any:
    return _validator(_closed(FACTS["operations"][name]["body"]))


@cache
def _answer_validator(name: str, status: str) -> Any:
    said = FACTS["operations"][name]["answers"].get(status)
    schema = said.get("schema") if said else BELIEVED.get(status)
    schema = REALLY.get(name, schema) if status == "200" else schema
    return None if schema is None else _validator(_resolved(schema))


def _validator(schema: Any) -> Any:
    """Return the validator of a schema; checking the schema itself takes most of the time."""
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    if schema["type"] == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return int(text) if schema["type"] == "integer" and text.isdigit() else text


def _closed(schema: Any) -> Any:
    """Return a schema that refuses fields it does not name."""
    if not isinstance(schema, Mapping):
        return schema
    closed = {key: _closed(value) for key, value in schema.items() if key != "properties"}
    if "properties" in schema:
        parts = schema["properties"].items()
        closed |= {"properties": {name: _closed(part) for name, part in parts}}
        closed["additionalProperties"] = False
    return closed


def _resolved(schema: Any) -> Any:
    """Return a schema of the document as JSON Schema, with its references filled in."""
    if isinstance(schema, list):
        return [_resolved(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return _resolved(FACTS["schemas"][schema["$ref"]])
    done = {key: _resolved(value) for key, value in schema.items() if key != "nullable"}
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        done["type"] = [schema["type"], "null"]
    if done.get("enum") == BUILD_PACKS[:-1]:
        done["enum"] = BUILD_PACKS
    return done
