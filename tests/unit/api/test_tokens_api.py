"""Tokens over HTTP, what they may ask for in a minute, and the metrics' own token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from fraisier.api import create_app
from fraisier.config.settings import Settings
from fraisier.domain.rate import Limits
from fraisier.domain.token import Scope, well_formed
from fraisier.engine.queue import Stop
from fraisier.engine.rates import Rates
from fraisier.store.tables import audit
from fraisier.wiring import Application

PATH = "/auth/tokens"
ELSEWHERE = {"REMOTE_ADDR": "192.0.2.7"}


def shown(secret: str) -> dict[str, str]:
    """Return the header that shows a secret."""
    return {"Authorization": f"Bearer {secret}"}


def limited(server: Any, limits: Limits) -> FlaskClient:
    """Return a client of the same server with limits, as another process would be."""
    services = replace(server.services, rates=Rates(server.store, limits))
    return server.another(services)


def test_a_token_is_made_used_rotated_and_revoked(server: Any) -> None:
    body = {"name": "ci", "scope": "read", "targets": ["api/*"], "expires_in": "12h"}
    made = server.post(PATH, body)
    assert made.status_code == 201
    token = made.get_json()
    assert well_formed(token["token"])
    assert (token["targets"], token["scope"], token["valid"]) == (["api/*"], "read", True)
    assert token["created_by"] == server.ids[Scope.ADMIN]

    def status(secret: str) -> int:
        return server.client.get("/api/v1/fraises", headers=shown(secret)).status_code

    assert status(token["token"]) == 200
    rotated = server.post(f"{PATH}/{token['id']}/rotate", {"overlap": 600}).get_json()
    assert rotated["id"] == token["id"]
    assert status(token["token"]) == status(rotated["token"]) == 200
    again = server.post(f"{PATH}/{token['id']}/rotate").get_json()
    assert [status(each["token"]) for each in (token, rotated, again)] == [401, 401, 200]
    assert server.ask("DELETE", f"/api/v1{PATH}/{token['id']}").get_json()["valid"] is False
    assert status(again["token"]) == 401
    assert server.ask("DELETE", f"/api/v1{PATH}/{token['id']}").status_code == 409
    assert server.ask("DELETE", f"/api/v1{PATH}/tok_nope").status_code == 404
    listed = server.get(PATH)
    assert listed.get_json()["total"] == 1 + len(Scope)
    assert not any(each["token"] in listed.text for each in (token, rotated, again))


def test_s13_each_change_of_a_token_is_in_the_audit_trail(server: Any) -> None:
    token = server.post(PATH, {"name": "ci"}).get_json()
    server.post(f"{PATH}/{token['id']}/rotate")
    server.ask("DELETE", f"/api/v1{PATH}/{token['id']}")
    server.ask("DELETE", f"/api/v1{PATH}/{token['id']}")
    with server.store._transaction(reading=True) as connection:
        rows = connection.execute(select(audit).where(audit.c.subject == token["id"])).all()
    assert sorted(row.action for row in rows) == ["token.create", "token.revoke", "token.rotate"]
    assert {row.actor for row in rows} == {server.ids[Scope.ADMIN]}
    assert not any(token["token"] in str(row) for row in rows)


def test_a_token_of_an_hour_makes_none_for_longer_and_takes_its_own_along(server: Any) -> None:
    hour = {"name": "hour", "scope": "admin", "expires_in": "1h"}
    first = server.post(PATH, hour).get_json()

    def make(**more: str) -> Any:
        body = {"name": "next", "scope": "admin", **more}
        return server.client.post(f"/api/v1{PATH}", headers=shown(first["token"]), json=body)

    for asked in ("never", "2h", "91d"):
        answer = make(expires_in=asked)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")
    made = [make().get_json(), make(expires_in="90d").get_json(), make(expires_in="1h").get_json()]
    assert all(each.get("expires_at") == first["expires_at"] for each in made[:2])
    assert made[2]["code"] == "forbidden", "an hour from now is later than an hour from before"
    revoked = server.ask("DELETE", f"/api/v1{PATH}/{first['id']}?made=true").get_json()
    assert sorted(revoked["revoked_with_it"]) == sorted(each["id"] for each in made[:2])
    for each in made[:2]:
        headers = shown(each["token"])
        assert server.client.get("/api/v1/fraises", headers=headers).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"name": ""}, {"name": "a\nb"}, {"name": "x" * 256}, {"name": "ci", "scope": "root"},
        {"name": "ci", "targets": []}, {"name": "ci", "targets": ["api"]},
        {"name": "ci", "targets": ["%/%"]}, {"name": "ci", "targets": "api/*"},
        {"name": "ci", "expires_in": "soon"}, {"name": "ci", "expires_in": "0d"},
        {"name": "ci", "more": 1},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(server: Any, wrong: dict[str, Any]) -> None:
    answer = server.post(PATH, wrong)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_arguments")


def test_a_restricted_administrator_makes_and_ends_no_tokens(server: Any) -> None:
    body = {"name": "team", "scope": "admin", "targets": ["api/*"]}
    team = server.post(PATH, body).get_json()
    for method, path in (("POST", ""), ("GET", ""), ("DELETE", f"/{server.ids[Scope.READ]}")):
        answer = server.client.open(
            f"/api/v1{PATH}{path}", method=method, headers=shown(team["token"]), json={"name": "x"}
        )
        assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")


def test_s12_every_answer_to_a_token_says_what_is_left(server: Any) -> None:
    client = limited(server, Limits(50, 20))
    headers = shown(server.secrets[Scope.READ])
    for path, status in (("/fraises", 200), ("/fraises/nope", 404), ("/deployments?x=1", 422)):
        answer = client.get(f"/api/v1{path}", headers=headers)
        assert answer.status_code == status
        assert answer.headers["X-RateLimit-Limit"] == "50"
        assert 0 < int(answer.headers["X-RateLimit-Reset"]) <= 60
        assert 40 < int(answer.headers["X-RateLimit-Remaining"]) < 50
    change = client.post("/api/v1/queue/pause", headers=headers, json={"reason": "x"})
    assert (change.status_code, change.headers["X-RateLimit-Limit"]) == (403, "20")
    assert "X-RateLimit-Limit" not in client.get("/health").headers


def test_s12_too_many_requests_are_refused_by_every_process_and_others_go_on(server: Any) -> None:
    clients = [limited(server, Limits(1000, 10)) for _ in range(2)]
    headers, refused = shown(server.secrets[Scope.DEPLOY]), None
    for number in range(60):  # of two minutes, where one ends meanwhile
        answer = clients[number % 2].post("/api/v1/deployments/x/cancel", headers=headers)
        refused = answer if answer.status_code == 429 else refused
        if refused is not None:
            break
        assert answer.status_code == 404
    assert refused is not None
    assert 10 <= number <= 20
    assert refused.content_type == "application/problem+json"
    assert refused.get_json()["code"] == "rate_limited"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert clients[0].get("/api/v1/fraises", headers=headers).status_code == 200
    other = shown(server.secrets[Scope.ADMIN])
    answer = clients[0].post("/api/v1/deployments/x/cancel", headers=other)
    assert answer.status_code == 404


def test_s12_who_shows_bad_tokens_is_stopped_and_who_shows_a_good_one_is_not(server: Any) -> None:
    client = limited(server, Limits(failures=5))
    statuses = [
        client.get("/api/v1/fraises", environ_overrides=ELSEWHERE).status_code for _ in range(12)
    ]
    assert statuses[:5] == [401] * 5
    assert 429 in statuses
    good = client.get(
        "/api/v1/fraises", headers=shown(server.secrets[Scope.READ]), environ_overrides=ELSEWHERE
    )
    assert good.status_code == 200
    other = {"REMOTE_ADDR": "192.0.2.8"}
    assert client.get("/api/v1/fraises", environ_overrides=other).status_code == 401


def test_ipv6_clients_are_counted_by_their_network(server: Any) -> None:
    client = limited(server, Limits(failures=2))
    statuses = [
        client.get(
            "/api/v1/fraises", environ_overrides={"REMOTE_ADDR": f"2001:db8::{number}"}
        ).status_code
        for number in range(1, 8)
    ]
    assert 429 in statuses


def test_a_token_for_metrics_opens_nothing_else(server: Any) -> None:
    secret = server.post(PATH, {"name": "prometheus", "scope": "metrics"}).get_json()["token"]
    scraped = server.client.get("/metrics", headers=shown(secret), environ_overrides=ELSEWHERE)
    assert scraped.status_code == 200
    assert server.client.get("/api/v1/fraises", headers=shown(secret)).status_code == 403
    only = {"name": "team", "scope": "read", "targets": ["api/*"]}
    team = server.post(PATH, only).get_json()["token"]
    refused = server.client.get("/metrics", headers=shown(team), environ_overrides=ELSEWHERE)
    assert refused.status_code == 403, "figures are about every target"


def test_a_server_as_it_is_wired_counts(tmp_path: Path) -> None:
    (tmp_path / "fraises.yaml").write_text("fraises: {}\n")
    application = Application(Settings(rate_limit=77), str(tmp_path / "fraises.yaml"))
    _, secret = application.tokens.create("ci", Scope.READ, 1, "me")
    client = create_app(application.services(None, Stop())).test_client()
    answer = client.get("/api/v1/fraises", headers=shown(secret))
    assert answer.headers["X-RateLimit-Limit"] == "77"
