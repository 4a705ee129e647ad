"""Whether an answer is what the OpenAPI document says, to the last key."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema

#: What hosts and Ansible describe; Fraisier passes it on.
AS_TOLD = {"HostAnswer", "HostError", "Release"}


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Validate a value against a schema of the document, where nothing may be undescribed."""
    closed = copy.deepcopy(document["components"])
    for name, each in closed["schemas"].items():
        if "properties" in each and name not in AS_TOLD:
            each["additionalProperties"] = False
    jsonschema.Draft202012Validator({**schema, "components": closed}).validate(value)


def resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Return what a part of the document refers to."""
    while "$ref" in part:
        _, _, kind, name = part["$ref"].split("/")
        part = document["components"][kind][name]
    return part
