"""The API's own page: every operation, rendered from the OpenAPI document, without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask import Blueprint, Response, render_template

Document = Mapping[str, Any]
METHODS = ("get", "post", "put", "delete")


def blueprint(document: Callable[[], Document]) -> Blueprint:
    """Return the page and its style sheet."""
    routes = Blueprint("documents", __name__, url_prefix="/api", template_folder="templates")

    @routes.get("/docs")
    def page() -> str:
        whole = document()
        return render_template("docs.html", document=whole, operations=list(operations(whole)))

    @routes.get("/docs.css")
    def style() -> Response:
        return Response(render_template("docs.css"), content_type="text/css")

    return routes


def operations(document: Document) -> Iterator[dict[str, Any]]:
    """Yield every operation with what a reader needs of it, in the order of the document."""
    for path, methods in document["paths"].items():
        for method in (each for each in METHODS if each in methods):
            operation = methods[method]
            yield {
                "method": method.upper(),
                "path": path,
                "tag": operation["tags"][0],
                "scope": operation.get("x-scope"),
                "summary": operation.get("summary", ""),
                "description": operation.get("description", ""),
                "parameters": _parameters(methods, operation),
                "body": list(_body(document, operation)),
                "answers": list(_answers(operation)),
                "problems": operation.get("x-problems", {}),
                "name": operation.get("operationId", ""),
            }


def _parameters(methods: Document, operation: Document) -> list[dict[str, Any]]:
    given = [*methods.get("parameters", ()), *operation.get("parameters", ())]
    return [
        {
            "name": each["name"],
            "in": each["in"],
            "required": each.get("required", False),
            "description": each.get("description", ""),
        }
        for each in given
    ]


def _body(document: Document, operation: Document) -> Iterator[dict[str, Any]]:
    content = operation.get("requestBody", {}).get("content", {})
    for each in content.values():
        schema = resolved(document, each["schema"])
        for name, field in schema.get("properties", {}).items():
            yield {
                "name": name,
                "required": name in schema.get("required", ()),
                "description": field.get("description", ""),
            }


def _answers(operation: Document) -> Iterator[dict[str, str]]:
    for status, answer in operation["responses"].items():
        if status.isdigit() and int(status) < 400:
            yield {"status": status, "description": answer.get("description", "")}


def resolved(document: Document, schema: Document) -> Document:
    """Return what a schema refers to."""
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rpartition("/")[2]
    found: Document = document["components"]["schemas"][name]
    return found
