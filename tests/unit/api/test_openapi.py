"""The OpenAPI document is valid, complete, and true of what the server answers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_spec_validator import validate

from fraisier.api import access
from fraisier.api.problems import STATUSES
from fraisier.domain import errors
from fraisier.domain.deployment import HostRecord, Placement, Status
from fraisier.domain.event import Fact
from fraisier.domain.token import Scope
from support.fakes import begin
from support.openapi import check
from support.pages import page

WISH = {"fraise": "api", "environment": "production", "version": "v1"}


@pytest.fixture
def document(server) -> dict[str, Any]:
    """Return the document as the server gives it."""
    answer = server.ask("GET", "/api/v1/openapi.json", scope=None)
    assert answer.status_code == 200
    return answer.get_json()


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_route_is_described_with_the_scope_it_needs(server, document: dict[str, Any]) -> None:
    for rule in server.app.url_map.iter_rules():
        if rule.endpoint.rpartition(".")[0] in ("api-docs", "documents"):
            continue
        path = re.sub(r"<(?:[^<>:]+:)?(\w+)>", r"{\1}", rule.rule)
        scope = access.scope_of(server.app, rule.endpoint)
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            operation = document["paths"][path][method.lower()]
            assert operation["summary"], f"{method} {path}"
            assert operation.get("x-scope") == (scope and scope.value)
            assert ("security" in operation) == (scope is not None)
            assert "default" not in operation["responses"], "each status is said"
    for name, answer in document["components"]["responses"].items():
        assert set(answer["content"]) == {"application/problem+json"}, name


def test_what_requests_may_hold_is_described_strictly(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if name.endswith("Request"):
            assert schema["additionalProperties"] is False, name
            for field in schema.get("properties", {}).values():
                assert field.get("description"), name
    assert schemas["DeployRequest"]["required"] == ["environment", "fraise"]


def test_answers_are_as_described(server, document: dict[str, Any]) -> None:
    first = server.deploy()["id"]
    begun = begin(server.store, first)
    error = {"code": "c", "message": "m", "hint": "h"}
    placed = Placement("web-1", 1, "r1", "v1", True, 1)
    facts = [Fact("log.line", "web-1", {"text": "x"})]
    server.store.record(begun, facts, [HostRecord("web-1", "failed", "r", "q", error)], [placed])
    server.store.finish(begun, Status.SUCCESS, "")
    answers = {
        ("get", "/deployments", 200): server.get("/deployments"),
        ("post", "/deployments", 202): server.post("/deployments", WISH),
        ("post", "/deployments", 200): server.post("/deployments", {**WISH, "dry_run": True}),
        ("get", "/deployments/{deployment_id}", 200): server.get(f"/deployments/{first}"),
        ("get", "/deployments/{deployment_id}/events", 200): server.get(
            f"/deployments/{first}/events"
        ),
        ("get", "/deployments/{deployment_id}/logs", 200): server.get(f"/deployments/{first}/logs"),
        ("get", "/fraises", 200): server.get("/fraises"),
        ("get", "/fraises/{fraise}/history", 200): server.get("/fraises/api/history"),
        ("get", "/fraises/{fraise}/metrics", 200): server.get("/fraises/api/metrics"),
        ("get", "/fraises/{fraise}", 200): server.get("/fraises/api"),
        ("get", "/fraises/{fraise}/status", 200): server.get("/fraises/api/status"),
        ("get", "/environments", 200): server.get("/environments"),
        ("get", "/environments/{environment}", 200): server.get("/environments/production"),
        ("get", "/environments/{environment}/config", 200): server.get(
            "/environments/production/config"
        ),
        ("get", "/environments/{environment}/health", 200): server.get(
            "/environments/production/health"
        ),
        ("get", "/providers", 200): server.get("/providers"),
    }
    for (method, path, status), answer in answers.items():
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
        described = document["paths"][f"/api/v1{path}"][method]["responses"][str(status)]
        schema = described["content"]["application/json"]["schema"]
        check(document, schema, answer.get_json())


def test_problems_are_as_described(server, document: dict[str, Any]) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    for answer in (
        server.get("/nope"),
        server.get("/deployments", scope=None),
        server.post("/deployments", {"x": 1}),
        server.get("/deployments/dep_nope"),
    ):
        check(document, problem, answer.get_json())


def test_every_kind_of_error_has_a_status_and_none_is_shadowed() -> None:
    kinds = [kind for kind, _ in STATUSES]
    for index, kind in enumerate(kinds):
        assert not any(issubclass(kind, earlier) for earlier in kinds[:index]), kind


def test_every_code_series_and_scope_is_in_the_reference(server) -> None:
    reference = page("docs/API_REFERENCE.md")
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    codes = {kind.code for kind in kinds if issubclass(kind, errors.FraisierError)}
    codes -= {"lab_failed", "server_failed", "server_unreachable"}  # what only clients meet
    codes -= {"lease_lost", "sink_unavailable"}  # what only workers meet
    series = re.findall(r"^# TYPE (fraisier_\w+) ", server.ask("GET", "/metrics").text, re.M)
    assert len(series) > 1
    missing = [name for name in (*codes, *series, *Scope) if not reference.row(name)]
    assert not missing


def test_every_code_of_an_operation_is_known_and_every_known_one_is_of_some(
    server, document
) -> None:
    told: set[str] = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                problems = operation["x-problems"]
                statuses = {each for each in operation["responses"] if int(each) >= 400}
                assert set(problems) == statuses, f"{method} {path}"
                well = path.startswith(("/health", "/api/v1/health"))
                assert all(problems.values()) or well, f"{method} {path}: a status has no code"
                told |= {code for codes in problems.values() for code in codes}
    reference = page("docs/API_REFERENCE.md")
    table = set(re.findall(r"^\| `(\w+)` \| [45]\d\d \|", reference.text, re.M))
    assert told <= table, told - table
    by_any = {"method_not_allowed", "internal_server_error", "not_found"}
    before_any = {"not_implemented", "request_header_fields_too_large"}
    assert table - told <= by_any | before_any, table - told


def test_the_page_shows_every_operation_and_needs_nothing_from_elsewhere(
    server, document: dict[str, Any]
) -> None:
    """S10, of the one page there is."""
    page = server.ask("GET", "/api/docs", scope=None)
    assert page.status_code == 200
    for path, methods in document["paths"].items():
        assert path in page.text
        for operation in (methods[name] for name in ("get", "post") if name in methods):
            assert operation["summary"].replace("'", "&#39;") in page.text
    assert "<script" not in page.text
    assert "style=" not in page.text
    for link in re.findall(r'(?:href|src)="([^"]+)"', page.text):
        assert server.ask("GET", link, scope=None).status_code == 200, link
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
