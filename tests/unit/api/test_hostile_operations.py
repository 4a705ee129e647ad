"""The matrix of bad input on every field, parameter and name of every operation there is.

What is sent is made from the OpenAPI document, so that a new operation is tried as well.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from test_hostile_requests import OTHERS, TEXTS, check

from support.openapi import resolved

VALUES = [*TEXTS, *OTHERS]
PARAMETERS = [
    "", "-1", "0", "1.5", "1e3", "9" * 20, "9" * 5000, "x", "\x00", "nan", "a\r\nb", "\u202ecod",
    "{{ 7*7 }}", "' OR 1=1", "2020-01-01", "0000-00-00T00:00:00Z", "0001-01-01T00:00Z",
    "9999-12-31T23:59:59-23:59",
    "x" * 10_000, "../..", "*", "%", "W10", "true", "null",
]  # fmt: skip
NAMES = [
    "%00",
    "%0a",
    "..",
    "%2e%2e",
    "a%20b",
    "%ff",
    "*",
    "{{7*7}}",
    "%E2%80%AE",
    "x" * 9999,
    "-x",
]
BODIES = [
    b"{", b"[]", b'"text"', b"null", b"7", b"[" * 100_000, b'{"a":' * 100_000, b'{"a": NaN}',
    b'{"a": 1, "a": 2}', b"\xff", "{}".encode("utf-16"), b"x" * (1 << 20),
]  # fmt: skip
KNOWN = {"fraise": "api", "environment": "production", "provider": "github"}


@pytest.fixture(autouse=True)
def known_token(server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look the token up once: that is a third of what each of these thousands of requests costs."""
    monkeypatch.setattr(server.store, "find_token", cache(server.store.find_token))


@pytest.fixture
def document(server) -> dict[str, Any]:
    """Return the document as the server gives it."""
    return server.ask("GET", "/api/v1/openapi.json", scope=None).get_json()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], list[Any]]]:
    """Yield method, path, operation and parameters of each operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                given = [*methods.get("parameters", []), *operation.get("parameters", [])]
                yield method.upper(), path, operation, given


def real(server, path: str) -> str:
    """Return a path that leads to what exists, where there is such a thing."""
    if "{deployment_id}" in path:
        path = path.replace("{deployment_id}", server.deploy()["id"])
    for name, value in KNOWN.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def body_of(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any] | None:
    """Return a body that is right."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    fields = resolved(document, content["schema"]).get("properties", {})
    body = copy.deepcopy(content["example"])
    return {**body, **{name: value for name, value in KNOWN.items() if name in fields}}


def fields_of(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    """Return the names of all fields that a body may have."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return list(resolved(document, content["schema"])["properties"]) if content else []


def test_no_value_of_any_field_breaks_the_server_or_loses_anything(server, document) -> None:
    kept, tried = server.deploy()["id"], 0
    for method, path, operation, _ in operations(document):
        body = body_of(document, operation)
        where = real(server, path)
        for name in fields_of(document, operation):
            for value in VALUES:
                sent = json.dumps({**(body or {}), name: value}).encode()
                answer = server.ask(method, where, data=sent, content_type="application/json")
                check(server, answer)
                wrong = answer.get_json().get("errors") if answer.status_code == 422 else None
                assert not wrong or wrong[0]["path"].startswith(f"$.{name}"), (path, name, value)
                tried += 1
    assert tried > 500
    assert server.get(f"/deployments/{kept}").status_code == 200


def test_no_body_of_any_operation_breaks_the_server(server, document) -> None:
    for method, path, operation, _ in operations(document):
        if "requestBody" in operation:
            where = real(server, path)
            for sent in BODIES:
                answer = server.ask(method, where, data=sent, content_type="application/json")
                check(server, answer)
                assert answer.status_code >= 400, (path, sent[:20])


def test_no_value_of_any_parameter_breaks_the_server(server, document) -> None:
    tried = 0
    for method, path, operation, given in operations(document):
        if "security" in operation:
            where = real(server, path)
            for name in [each["name"] for each in given if each["in"] == "query"]:
                for value in PARAMETERS:
                    check(server, server.ask(method, where, query_string={name: value}))
                    tried += 1
    assert tried > 500


def test_no_name_in_any_path_breaks_the_server(server, document) -> None:
    for method, path, operation, given in operations(document):
        names = [each["name"] for each in given if each["in"] == "path"]
        for name in names:
            for value in NAMES:
                where = real(server, path.replace(f"{{{name}}}", value))
                sent = body_of(document, operation)
                check(server, server.ask(method, where.replace("{", "%7B"), json=sent))
