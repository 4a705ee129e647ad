"""The OpenAPI document can be learned from: names of operations, and examples that are right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from fraisier.api.naming import operation_id
from support.openapi import resolved

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
def document(server) -> dict[str, Any]:
    """Return the document as the server gives it."""
    return server.ask("GET", "/api/v1/openapi.json", scope=None).get_json()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield each operation with its name and what its path has in common."""
    for path, methods in document["paths"].items():
        for method in (each for each in METHODS if each in methods):
            yield f"{method} {path}", methods[method], methods


def right(document: dict[str, Any], schema: dict[str, Any], example: Any, where: str) -> None:
    """Assert that an example is of its schema."""
    whole = {**schema, "components": document["components"]}
    wrong = list(jsonschema.Draft202012Validator(whole).iter_errors(example))
    assert not wrong, f"{where}: {wrong[0].json_path}: {wrong[0].message}"


def test_every_request_and_answer_has_an_example_of_its_schema(document: dict[str, Any]) -> None:
    seen = 0
    for name, operation, _ in operations(document):
        parts = [operation["requestBody"]] if "requestBody" in operation else []
        parts += [resolved(document, each) for each in operation["responses"].values()]
        for content in (each for part in parts for each in part.get("content", {}).values()):
            if "schema" in content:
                assert "example" in content, name
                right(document, content["schema"], content["example"], name)
                seen += 1
    assert seen > 100


def test_every_parameter_but_headers_has_an_example_of_its_schema(document: dict[str, Any]) -> None:
    for name, operation, path in operations(document):
        for given in [*path.get("parameters", []), *operation.get("parameters", [])]:
            if given["in"] != "header":
                right(document, given["schema"], given["example"], f"{name} {given['name']}")


def test_an_example_of_a_deployment_reads_like_one(document: dict[str, Any]) -> None:
    content = document["paths"]["/api/v1/deployments/{deployment_id}"]["get"]["responses"]["200"]
    example = content["content"]["application/json"]["example"]
    assert (example["fraise"], example["environment"]) == ("my_api", "production")
    assert example["status"] == "success"
    assert example["id"].startswith("dep_")
    assert re.fullmatch(r"[0-9a-f]{40}", example["version"])


def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation, _ in operations(document)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", name) for name in names), names


#: What programs were generated with; a name is never changed.
NAMES = [
    ("GET", "/api/v1/deployments", True, "list_deployments"),
    ("POST", "/api/v1/deployments", False, "create_deployment"),
    ("GET", "/api/v1/deployments/{deployment_id}", False, "get_deployment"),
    ("GET", "/api/v1/deployments/{deployment_id}/events", True, "list_deployment_events"),
    ("POST", "/api/v1/deployments/{deployment_id}/cancel", False, "cancel_deployment"),
    ("POST", "/api/v1/deployments/{deployment_id}/rollback", False, "rollback_deployment"),
    ("POST", "/api/v1/fraises/{fraise}/environments/{environment}/unlock", False,
     "unlock_fraise_environment"),
    ("GET", "/api/v1/fraises/{fraise}/status", False, "get_fraise_status"),
    ("POST", "/api/v1/queue/pause", False, "pause_queue"),
    ("POST", "/api/v1/webhooks/{provider}", False, "send_webhook"),
    ("POST", "/api/v1/webhooks/deliveries/{delivery_id}/redeliver", False,
     "redeliver_webhooks_delivery"),
    ("DELETE", "/api/v1/auth/tokens/{token_id}", False, "delete_auth_token"),
    ("POST", "/api/v1/auth/tokens", False, "create_auth_token"),
    ("GET", "/health", False, "get_health_outside"),
    ("GET", "/api/v1/health", False, "get_health"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "of_many", "name"), NAMES)
def test_names_stay(method: str, path: str, of_many: bool, name: str) -> None:
    assert operation_id(method, path, of_many) == name
