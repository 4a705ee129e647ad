"""The audit trail over HTTP, and a row in it for every route that changes something (S13)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from fraisier.domain.audit import AuditFilter
from fraisier.domain.catalogue import Fraise
from fraisier.domain.delivery import Endpoint
from fraisier.domain.deployment import Status
from fraisier.domain.event import Fact
from fraisier.domain.incoming import Incoming
from fraisier.domain.push import GitHost, Received
from fraisier.domain.secret import Secret, SecretReference
from fraisier.domain.token import Scope
from fraisier.engine.deployments import Deployments
from fraisier.engine.pushes import Pushes
from fraisier.webhooks.incoming import Intake
from fraisier.webhooks.outgoing import Door, Outgoing, receivers_of
from support.fakes import Inventories, Repositories, begin, make_catalogue, make_target
from support.pushing import SECRET, delivery
from support.receiving import LOOPBACK, OK, listening, saying
from support.tended import SAVED, TENDED, agreeing

SERVICE = "/fraises/api/environments/production"
REFERENCE = SecretReference("env", "KEY")


class Whole:
    """A server with every part that can be changed over HTTP; `prepare` then `ask` changes one."""

    def __init__(self, server: Any, receiver: str) -> None:
        self.server, self.store = server, server.store
        targets = {
            name: make_target(environment=name, service=SAVED) for name in ("staging", "production")
        }
        fraise = Fraise("api", "api", "", targets)
        base = make_catalogue(targets["production"], TENDED)
        hosts = {"github": GitHost((REFERENCE,))}
        catalogue = replace(base, fraises={"api": fraise}, git_hosts=hosts)
        endpoints = [Endpoint("good", "webhook", receiver, (REFERENCE,))]
        receivers = receivers_of(endpoints, lambda _: Secret("k" * 32), Door(LOOPBACK))
        self.outgoing = Outgoing(endpoints, self.store, receivers)
        deployments = Deployments(catalogue, self.store, Repositories(), Inventories())
        self.pushes = Pushes(catalogue, self.store, deployments)
        services = replace(
            server.services,
            catalogue=catalogue,
            deployments=deployments,
            outgoing=self.outgoing,
            pushes=self.pushes,
            tending=agreeing(catalogue, deployments, self.store),
            intake=Intake(hosts, lambda _: Secret(SECRET), self.pushes),
        )
        self.app = server.app
        server.serve(services)

    def good(self, environment: str = "production", version: str = "v1") -> str:
        """Deploy and return the deployment, which succeeded."""
        asked = self.server.deploy(environment=environment, version=version)
        self.server.end(asked["id"])
        return str(asked["id"])

    def came(self) -> Incoming:
        """Return a delivery that deployed nothing."""
        return self.pushes.receive("github", "1", b"{}", Received("star"))


@pytest.fixture
def whole(server: Any) -> Iterator[Whole]:
    """Return a server with all its parts."""
    with listening(saying(OK)) as receiver:
        yield Whole(server, receiver.url())


def rollback(whole: Whole) -> tuple[str, Any]:
    whole.good()
    return f"/deployments/{whole.good(version='v2')}/rollback", {}


def resume(whole: Whole) -> tuple[str, Any]:
    running = begin(whole.store, whole.server.deploy()["id"])
    whole.store.record(running, [Fact("deployment.paused")])
    return f"/deployments/{running.id}/resume", {}


def unlock(whole: Whole) -> tuple[str, Any]:
    whole.server.end(whole.server.deploy()["id"], Status.INTERRUPTED)
    return "/fraises/api/environments/production/unlock", {"reason": "I looked"}


def promote(whole: Whole) -> tuple[str, Any]:
    whole.good("staging")
    return "/fraises/api/environments/production/promote", {"from": "staging"}


def queue_resume(whole: Whole) -> tuple[str, Any]:
    whole.store.pause("me", "x")
    return "/queue/resume", {}


def send_again(whole: Whole) -> tuple[str, Any]:
    sent = whole.outgoing.test("good", "me")
    return f"/webhook-endpoints/deliveries/{sent['id']}/redeliver", {}


def token(whole: Whole) -> str:
    return str(whole.server.tokens.create("t", Scope.READ, 1, "me")[0].id)


def lift(whole: Whole) -> tuple[str, Any]:
    found = whole.server.post("/freezes", {"reason": "x"}).get_json()
    return f"/freezes/{found['id']}", None


#: Each route that changes something -> (how it is made ready and asked, the action in the trail).
MUTATIONS: dict[str, tuple[Callable[[Whole], tuple[str, Any]], str]] = {
    "POST /deployments": (
        lambda _: ("/deployments", {"fraise": "api", "environment": "production"}), "deploy",
    ),
    "POST /deployments/ID/cancel": (
        lambda whole: (f"/deployments/{whole.server.deploy()['id']}/cancel", {}), "cancel",
    ),
    "POST /deployments/ID/resume": (resume, "resume"),
    "POST /deployments/ID/rollback": (rollback, "rollback"),
    "POST /fraises/ID/environments/ID/unlock": (unlock, "unlock"),
    "POST /fraises/ID/environments/ID/promote": (promote, "promote"),
    "POST /queue/pause": (lambda _: ("/queue/pause", {"reason": "x"}), "queue.pause"),
    "POST /queue/resume": (queue_resume, "queue.resume"),
    "POST /webhook-endpoints/ID/test": (
        lambda _: ("/webhook-endpoints/good/test", {}), "webhook.test",
    ),
    "POST /webhook-endpoints/deliveries/ID/redeliver": (send_again, "webhook.redeliver"),
    "POST /webhooks/deliveries/ID/redeliver": (
        lambda whole: (f"/webhooks/deliveries/{whole.came().id}/redeliver", {}),
        "webhook.redeliver",
    ),
    "POST /webhooks/ID": (lambda _: ("/webhooks/github", delivery("github")), "webhook.receive"),
    "POST /freezes": (lambda _: ("/freezes", {"reason": "x"}), "freeze"),
    "DELETE /freezes/ID": (lift, "unfreeze"),
    "POST /auth/tokens": (lambda _: ("/auth/tokens", {"name": "new"}), "token.create"),
    "POST /auth/tokens/ID/rotate": (
        lambda whole: (f"/auth/tokens/{token(whole)}/rotate", {}), "token.rotate",
    ),
    "DELETE /auth/tokens/ID": (
        lambda whole: (f"/auth/tokens/{token(whole)}", None), "token.revoke",
    ),
    **{f"POST {SERVICE.replace('api/', 'ID/').replace('production', 'ID')}/{path}": (
        lambda _, path=path, body=body: (f"{SERVICE}/{path}", body), action,
    ) for path, body, action in (
        ("app/restart", {}, "app.restart"),
        ("app/start", {}, "app.start"),
        ("app/stop", {}, "app.stop"),
        ("app/exec", {"command": ["true"]}, "app.exec"),
        ("backups", {}, "backup.take"),
        ("backups/restore", {}, "backup.restore"),
    )},
}  # fmt: skip
#: POSTs that only look.
LOOKS = {"POST /fraises/ID/environments/ID/probe"}


def test_every_route_that_changes_something_is_in_the_table(whole: Whole) -> None:
    found = {
        f"{method} {re.sub('<[^>]+>', 'ID', rule.rule).removeprefix('/api/v1')}"
        for rule in whole.app.url_map.iter_rules()
        for method in rule.methods - {"GET", "HEAD", "OPTIONS"}
    }
    assert found == {*MUTATIONS, *LOOKS}


@pytest.mark.parametrize("route", MUTATIONS)
def test_a_change_over_http_has_exactly_one_row_in_the_trail(whole: Whole, route: str) -> None:
    """S13."""
    prepare, action = MUTATIONS[route]
    path, body = prepare(whole)
    before = whole.store.count_audit(AuditFilter())
    if action == "webhook.receive":
        sent, headers = body
        answer = whole.server.client.post(f"/api/v1{path}", data=sent, headers=headers)
    else:
        answer = whole.server.ask(route.split()[0], f"/api/v1{path}", json=body)
    assert answer.status_code < 300, answer.text
    assert whole.store.count_audit(AuditFilter()) == before + 1
    row = whole.store.audit(AuditFilter())[0]
    actor = "webhook:github" if action == "webhook.receive" else whole.server.ids[Scope.ADMIN]
    assert (row.actor, row.action, row.result) == (actor, action, "done")
    assert row.subject


def test_a_refused_change_has_no_row(whole: Whole) -> None:
    before = whole.store.count_audit(AuditFilter())
    refused = [
        ("POST", "/deployments", {"fraise": "api", "environment": "nope"}),
        ("POST", "/deployments/dep_x/cancel", {}),
        ("POST", "/queue/resume", {}),
        ("POST", "/freezes", {}),
        ("DELETE", "/freezes/frz_x", None),
        ("POST", "/fraises/api/environments/production/unlock", {"reason": "x"}),
    ]
    for method, path, body in refused:
        assert whole.server.ask(method, f"/api/v1{path}", json=body).status_code >= 400
    assert whole.store.count_audit(AuditFilter()) == before


def test_the_trail_is_for_admins_newest_first_and_in_pages(whole: Whole) -> None:
    ids = [whole.server.deploy()["id"] for _ in range(3)]
    assert whole.server.get("/audit", scope=Scope.DEPLOY).status_code == 403
    found = whole.server.get("/audit?action=deploy&limit=2").get_json()
    assert (found["total"], found["limit"], found["offset"]) == (3, 2, 0)
    assert [row["subject"] for row in found["audit"]] == [ids[2], ids[1]]
    mine = whole.server.get(f"/audit?subject={ids[0]}").get_json()["audit"]
    assert [(row["actor"], row["action"]) for row in mine] == [
        (whole.server.ids[Scope.ADMIN], "deploy")
    ]
    assert whole.server.get("/audit?actor=nobody").get_json()["total"] == 0
    assert whole.server.get("/audit?since=2999-01-01T00:00:00Z").get_json()["total"] == 0
    assert whole.server.get("/audit?since=yesterday").status_code == 422


def test_nothing_over_http_changes_or_removes_a_row(whole: Whole) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert whole.server.ask(method, "/api/v1/audit", json={}).status_code == 405
