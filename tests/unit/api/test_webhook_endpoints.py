"""Webhooks and notifications over HTTP and in the CLI: how each does, a test, the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fraisier.domain.delivery import Endpoint
from fraisier.domain.secret import Secret, SecretReference
from fraisier.domain.token import Scope
from fraisier.webhooks.outgoing import Door, Outgoing, WebhookSink, receivers_of
from support.receiving import LOOPBACK, OK, Listening, answer, listening, saying, told


class Desk:
    """A server with two receivers, one of which says no."""

    def __init__(self, server: Any, good: Listening, bad: Listening) -> None:
        self.server = server
        secret = (SecretReference("env", "KEY"),)
        self.endpoints = [
            Endpoint("good", "webhook", good.url("/secret-path"), secret),
            Endpoint("bad", "webhook", bad.url(), secret),
        ]
        value = Secret("k" * 32)
        receivers = receivers_of(self.endpoints, lambda _: value, Door(LOOPBACK))
        outgoing = Outgoing(self.endpoints, server.store, receivers)
        self.client = server.serve(replace(server.services, outgoing=outgoing))

    def ask(self, method: str, path: str, scope: Scope = Scope.ADMIN) -> Any:
        """Ask with a token."""
        shown = {"Authorization": f"Bearer {self.server.secrets[scope]}"}
        return self.client.open(f"/api/v1/webhook-endpoints{path}", method=method, headers=shown)


@pytest.fixture
def desk(server: Any) -> Iterator[Desk]:
    """Return a server with its receivers."""
    with listening(saying(OK)) as good, listening(saying(answer(500))) as bad:
        yield Desk(server, good, bad)


def test_receivers_are_listed_without_their_secrets(desk: Desk) -> None:
    found = desk.ask("GET", "", Scope.READ)
    assert found.get_json()["total"] == 2
    first = found.get_json()["endpoints"][0]
    assert (first["name"], first["to"], first["enabled"]) == ("good", "127.0.0.1", True)
    assert "secret-path" not in found.text


@pytest.mark.parametrize(("name", "status"), [("good", "delivered"), ("bad", "failed")])
def test_a_test_is_sent_at_once(desk: Desk, name: str, status: str) -> None:
    assert desk.ask("POST", f"/{name}/test", Scope.DEPLOY).status_code == 403
    found = desk.ask("POST", f"/{name}/test").get_json()
    assert (found["status"], found["event"], len(found["attempts"])) == (status, "ping", 1)
    log = desk.ask("GET", f"/{name}/deliveries").get_json()
    assert log["deliveries"] == [found]


def test_the_log_is_paged_and_filtered(desk: Desk) -> None:
    for endpoint in desk.endpoints:
        sink = WebhookSink(endpoint, desk.server.store, "ins_1")
        sink.publish([told(1), told(2)])
    found = desk.ask("GET", "/deliveries?limit=3", Scope.READ).get_json()
    assert (len(found["deliveries"]), found["total"]) == (3, 4)
    assert desk.ask("GET", "/deliveries?status=failed").get_json()["total"] == 0
    assert desk.ask("GET", "/good/deliveries?status=pending").get_json()["total"] == 2
    assert desk.ask("GET", "/deliveries?status=x").status_code == 422


def test_something_is_sent_again(desk: Desk) -> None:
    sent = desk.ask("POST", "/good/test").get_json()
    again = desk.ask("POST", f"/deliveries/{sent['id']}/redeliver")
    assert (again.status_code, again.get_json()["status"]) == (202, "pending")
    assert desk.ask("POST", f"/deliveries/{sent['id']}/redeliver", Scope.READ).status_code == 403


def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    for method, path in (
        ("POST", "/goood/test"),
        ("GET", "/goood/deliveries"),
        ("POST", "/deliveries/whk_x/redeliver"),
    ):
        found = desk.ask(method, path)
        assert (found.status_code, found.get_json()["code"]) == (404, "not_found")
    assert 'did you mean "good"?' in desk.ask("POST", "/goood/test").get_json()["detail"]
