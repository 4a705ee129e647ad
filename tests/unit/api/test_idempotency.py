"""Idempotency-Key on every POST: done once, answered again as it was (I9)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Response, jsonify
from sqlalchemy import text

from fraisier.api import create_app, queue
from fraisier.api.asks import CancelRequest
from fraisier.api.routes import Routes
from fraisier.domain.errors import StoreError
from fraisier.domain.token import Scope, new_secret

KEY = {"Idempotency-Key": "k1"}
PAUSE = {"reason": "the database moves"}


def test_a_repeated_request_is_answered_again_and_not_done_again(server) -> None:
    first = server.post("/queue/pause", PAUSE, headers=KEY)
    assert first.status_code == 200
    assert server.post("/queue/resume", {}).status_code == 200
    again = server.post("/queue/pause", PAUSE, headers=KEY)
    assert (again.status_code, again.text) == (200, first.text)
    assert again.content_type == first.content_type
    assert server.get("/queue").get_json()["paused"] is None, "it is not paused once more"


def test_the_order_of_keys_in_the_body_makes_no_other_request(server) -> None:
    path = "/fraises/api/environments/production/promote"
    assert server.post("/queue/pause", PAUSE, headers=KEY).status_code == 200
    other = server.post("/queue/pause", {"reason": "x"}, headers=KEY)
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency_key_reused")
    for route, body in (("/queue/resume", {}), (path, {"from": "staging"})):
        answer = server.post(route, body, headers=KEY)
        assert answer.status_code in (409, 422), answer.text
        assert server.get("/queue").get_json()["paused"] is not None
    deployed = server.post(
        "/deployments", {"fraise": "api", "environment": "production"}, headers=KEY
    )
    assert deployed.get_json()["code"] == "idempotency_key_reused"


def test_a_key_belongs_to_its_token(server) -> None:
    running = server.deploy()["id"]
    path = f"/deployments/{running}/cancel"
    assert server.post(path, headers=KEY, scope=Scope.DEPLOY).status_code == 200
    assert server.post(path, headers=KEY, scope=Scope.DEPLOY).status_code == 200, "again"
    assert server.post(path, headers=KEY, scope=Scope.ADMIN).status_code == 409, "it has ended"


def test_what_is_refused_leaves_the_key_free(server) -> None:
    assert server.post("/queue/resume", {}, headers=KEY).status_code == 409
    server.post("/queue/pause", PAUSE)
    assert server.post("/queue/resume", {}, headers=KEY).status_code == 200
    assert server.post("/queue/resume", {}, headers=KEY).status_code == 200, "the answer again"


def test_a_request_in_progress_is_409_and_says_when_to_ask_again(server, monkeypatch) -> None:
    monkeypatch.setattr(type(server.store), "keep_answer", lambda *_: None)
    assert server.post("/queue/pause", PAUSE, headers=KEY).status_code == 200
    answer = server.post("/queue/pause", PAUSE, headers=KEY)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "idempotency_key_in_progress")
    assert int(answer.headers["Retry-After"]) > 0
    assert "look whether it was done" in answer.get_json()["hint"]


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(server, monkeypatch) -> None:
    def fail(*_: Any) -> None:
        raise StoreError("gone")

    monkeypatch.setattr(type(server.store), "keep_answer", fail)
    assert server.post("/queue/pause", PAUSE, headers=KEY).status_code == 200


def test_the_secret_of_a_token_is_never_kept(server, monkeypatch) -> None:
    """S5: a repeated creation is told that it was done."""
    secret = new_secret()

    def blueprints(_services: Any) -> list[Routes]:
        routes = Routes("made", __name__, url_prefix="/api/v1/made")

        @routes.operation("POST", "", Scope.ADMIN, body=CancelRequest, body_required=False)
        def made(_body: dict[str, Any]) -> Response:
            """Make a token."""
            return jsonify({"token": secret})

        return [routes]

    monkeypatch.setattr(queue, "blueprints", blueprints)
    server.client = create_app(server.services).test_client()
    assert server.post("/made", headers=KEY).get_json() == {"token": secret}
    again = server.post("/made", headers=KEY)
    assert (again.status_code, again.get_json()["code"]) == (409, "answer_not_kept")
    with server.store._engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM idempotency_keys")).all()
    assert rows
    assert secret not in str(rows)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_key_that_is_none_is_refused_everywhere(server, key: str) -> None:
    answer = server.post("/queue/pause", PAUSE, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["path"] == "header.Idempotency-Key"


def test_every_post_with_a_token_takes_a_key(server) -> None:
    document = server.ask("GET", "/api/v1/openapi.json", scope=None).get_json()
    for path, methods in document["paths"].items():
        for operation in (methods[each] for each in ("post",) if each in methods):
            if "security" in operation:
                names = [each["name"] for each in operation.get("parameters", [])]
                assert "Idempotency-Key" in names, path
    assert json.dumps(document).count("Idempotency-Key") > 10
