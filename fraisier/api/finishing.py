"""What all operations of the OpenAPI document are given alike: name, codes and examples."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fraisier.api.codes import codes_of
from fraisier.api.documents import METHODS, resolved
from fraisier.api.examples import example
from fraisier.api.naming import operation_id

Document = dict[str, Any]


def finished(document: Document) -> Document:
    """Return a document whose operations have names, codes and examples."""
    whole = copy.deepcopy(document)
    for path, methods in whole["paths"].items():
        for method in (each for each in METHODS if each in methods):
            operation = methods[method]
            operation["operationId"] = operation_id(method.upper(), path, _many(whole, operation))
            operation["x-problems"] = codes_of(path, operation)
            for given in [*methods.get("parameters", ()), *operation.get("parameters", ())]:
                if given["in"] != "header":  # the same key would make all requests one
                    given.setdefault("example", example(whole, given["schema"], given["name"]))
            for content in _contents(operation):
                content.setdefault("example", example(whole, content["schema"]))
    for name, answer in whole["components"].get("responses", {}).items():
        _problem(whole, name, answer)
    return whole


def _contents(operation: Document) -> Iterator[Document]:
    """Yield what an operation reads and answers, as its media types."""
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        for content in part.get("content", {}).values():
            if "schema" in content:
                yield content


def _many(document: Document, operation: Document) -> bool:
    content = operation["responses"].get("200", {}).get("content", {})
    shapes = (resolved(document, each.get("schema", {})) for each in content.values())
    return any("limit" in shape.get("properties", {}) for shape in shapes)


def _problem(document: Document, name: str, answer: Document) -> None:
    """Give a problem the example of its status."""
    status = HTTPStatus[name]
    conflict = status is HTTPStatus.CONFLICT
    code = "refused" if conflict else status.phrase.lower().replace(" ", "_")
    for content in answer["content"].values():
        plain = example(document, content["schema"])
        kept = {key: plain[key] for key in ("detail", "hint") if key in plain}
        content["example"] = {"status": status.value, "code": code, "title": status.phrase} | (
            kept if conflict else {}
        )
