"""Every route against every scope, generated from the routes that there are."""

from __future__ import annotations

import itertools
import re

import pytest

from fraisier.api import access
from fraisier.domain.token import Scope

#: What each operation needs. A new route must be written here, or the first test fails.
NEEDS = {
    "GET /api/v1/deployments": Scope.READ,
    "POST /api/v1/deployments": Scope.DEPLOY,
    "GET /api/v1/deployments/ID": Scope.READ,
    "POST /api/v1/deployments/ID/cancel": Scope.DEPLOY,
    "POST /api/v1/deployments/ID/resume": Scope.DEPLOY,
    "POST /api/v1/deployments/ID/rollback": Scope.DEPLOY,
    "GET /api/v1/deployments/ID/events": Scope.READ,
    "GET /api/v1/deployments/ID/logs": Scope.READ,
    "GET /api/v1/fraises": Scope.READ,
    "GET /api/v1/fraises/ID": Scope.READ,
    "GET /api/v1/fraises/ID/status": Scope.READ,
    "GET /api/v1/fraises/ID/history": Scope.READ,
    "GET /api/v1/fraises/ID/metrics": Scope.READ,
    "POST /api/v1/fraises/ID/environments/ID/unlock": Scope.ADMIN,
    "POST /api/v1/fraises/ID/environments/ID/promote": Scope.DEPLOY,
    "POST /api/v1/fraises/ID/environments/ID/probe": Scope.READ,
    "GET /api/v1/fraises/ID/environments/ID/app/status": Scope.READ,
    "GET /api/v1/fraises/ID/environments/ID/app/logs": Scope.READ,
    "POST /api/v1/fraises/ID/environments/ID/app/restart": Scope.DEPLOY,
    "POST /api/v1/fraises/ID/environments/ID/app/start": Scope.DEPLOY,
    "POST /api/v1/fraises/ID/environments/ID/app/stop": Scope.DEPLOY,
    "POST /api/v1/fraises/ID/environments/ID/app/exec": Scope.ADMIN,
    "GET /api/v1/fraises/ID/environments/ID/backups": Scope.READ,
    "POST /api/v1/fraises/ID/environments/ID/backups": Scope.DEPLOY,
    "POST /api/v1/fraises/ID/environments/ID/backups/restore": Scope.ADMIN,
    "GET /api/v1/environments": Scope.READ,
    "GET /api/v1/environments/ID": Scope.READ,
    "GET /api/v1/environments/ID/config": Scope.READ,
    "GET /api/v1/environments/ID/health": Scope.READ,
    "GET /api/v1/providers": Scope.READ,
    "GET /api/v1/queue": Scope.READ,
    "POST /api/v1/queue/pause": Scope.ADMIN,
    "POST /api/v1/queue/resume": Scope.ADMIN,
    "GET /api/v1/workers": Scope.READ,
    "GET /api/v1/webhook-endpoints": Scope.READ,
    "POST /api/v1/webhook-endpoints/ID/test": Scope.ADMIN,
    "GET /api/v1/webhook-endpoints/deliveries": Scope.READ,
    "GET /api/v1/webhook-endpoints/ID/deliveries": Scope.READ,
    "POST /api/v1/webhook-endpoints/deliveries/ID/redeliver": Scope.ADMIN,
    "GET /api/v1/webhooks/deliveries": Scope.READ,
    "POST /api/v1/webhooks/deliveries/ID/redeliver": Scope.DEPLOY,
    "POST /api/v1/webhooks/ID": None,
    "GET /api/v1/freezes": Scope.READ,
    "POST /api/v1/freezes": Scope.ADMIN,
    "DELETE /api/v1/freezes/ID": Scope.ADMIN,
    "GET /api/v1/audit": Scope.ADMIN,
    "GET /api/v1/auth/tokens": Scope.ADMIN,
    "POST /api/v1/auth/tokens": Scope.ADMIN,
    "POST /api/v1/auth/tokens/ID/rotate": Scope.ADMIN,
    "DELETE /api/v1/auth/tokens/ID": Scope.ADMIN,
    "GET /metrics": Scope.METRICS,
    **{
        f"GET {prefix}/health{part}": None
        for prefix in ("", "/api/v1")
        for part in ("", "/live", "/ready", "/database", "/nats", "/providers")
    },
    "GET /api/v1/openapi.json": None,
    "GET /api/docs": None,
    "GET /api/docs.css": None,
}
CLOSED = {operation: scope for operation, scope in NEEDS.items() if scope is not None}
ELSEWHERE = {"REMOTE_ADDR": "192.0.2.7"}


def test_every_route_is_in_the_table_with_what_it_needs(server) -> None:
    found = {}
    for rule in server.app.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", "ID", rule.rule)
        scope = access.scope_of(server.app, rule.endpoint)
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            found[f"{method} {path}"] = scope
            is_open = rule.endpoint.rpartition(".")[0] in access.OPEN
            assert (scope is None) == is_open, f"{method} {path} is neither open nor closed"
    assert found == NEEDS


def test_without_a_valid_token_nothing_opens(server) -> None:
    presented = [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Basic {server.secrets[Scope.ADMIN]}"},
        {"Authorization": f"Bearer {server.secrets[Scope.ADMIN][::-1]}"},
        {"Authorization": "Bearer \xe9\xff"},
        {"Authorization": "Bearer " + "x" * 100_000},
        {"X-Api-Key": server.secrets[Scope.ADMIN]},
    ]
    in_query = {"token": server.secrets[Scope.ADMIN]}
    for operation, headers in itertools.product(CLOSED, presented):
        method, path = operation.split()
        answer = server.client.open(
            path, method=method, headers=headers, json={}, query_string=in_query,
            environ_overrides=ELSEWHERE,
        )  # fmt: skip
        assert answer.status_code == 401, (operation, headers)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.content_type == "application/problem+json"
        assert server.secrets[Scope.ADMIN] not in answer.text


@pytest.mark.parametrize("scope", Scope)
def test_a_token_opens_what_its_scope_reaches_and_nothing_else(server, scope: Scope) -> None:
    for operation, needed in CLOSED.items():
        method, path = operation.split()
        answer = server.ask(method, path, scope, json={}, environ_overrides=ELSEWHERE)
        if scope.reaches(needed):
            assert answer.status_code in (200, 404, 409, 422), f"{operation}: {answer.text}"
        else:
            refused = (answer.status_code, answer.get_json()["code"])
            assert refused == (403, "forbidden"), operation
            assert scope.value in answer.get_json()["detail"]


def test_other_methods_do_not_slip_past_the_token(server) -> None:
    for method in ("OPTIONS", "HEAD"):
        assert server.ask(method, "/api/v1/deployments", scope=None).status_code == 401
    assert server.ask("DELETE", "/api/v1/deployments", scope=None).status_code == 405


def test_a_revoked_token_is_refused_at_the_next_request(server) -> None:
    assert server.get("/deployments", scope=Scope.READ).status_code == 200
    server.tokens.revoke(server.ids[Scope.READ], "me")
    assert server.get("/deployments", scope=Scope.READ).status_code == 401


def test_metrics_need_no_token_from_this_machine_unless_a_proxy_passed_them_on(server) -> None:
    def scraped(address: str, **headers: str) -> int:
        environ = {"REMOTE_ADDR": address}
        answer = server.client.get("/metrics", headers=headers, environ_overrides=environ)
        return answer.status_code

    assert scraped("127.0.0.1") == scraped("::1") == 200
    assert scraped("192.0.2.7") == scraped("") == 401
    assert scraped("127.0.0.1", **{"X-Forwarded-For": "192.0.2.7"}) == 401
    assert scraped("192.0.2.7", **{"X-Forwarded-For": "127.0.0.1"}) == 401
    assert scraped("127.0.0.1", Forwarded="for=192.0.2.7") == 401


def test_who_asked_is_recorded_by_the_id_of_the_token(server) -> None:
    asked = server.post(
        "/deployments", {"fraise": "api", "environment": "production"}, scope=Scope.DEPLOY
    ).get_json()
    assert asked["triggered_by"] == server.ids[Scope.DEPLOY]
    server.post(f"/deployments/{asked['id']}/cancel", scope=Scope.ADMIN)
    cancelled = server.get(f"/deployments/{asked['id']}").get_json()
    assert cancelled["cancel_requested_by"] == server.ids[Scope.ADMIN]
