"""Freezes over HTTP, and what they refuse on every way in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fraisier.domain.audit import AuditFilter
from fraisier.domain.catalogue import Fraise
from fraisier.domain.deployment import Status
from fraisier.domain.errors import FraisierError
from fraisier.domain.push import DeployOn, GitHost, Listening, Push, Received
from fraisier.domain.secret import SecretReference
from fraisier.domain.token import Scope
from fraisier.domain.windows import Window
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.pushes import Pushes
from support.fakes import Inventories, Repositories, begin, make_catalogue, make_target

WISH = {"fraise": "api", "environment": "production", "version": "v1"}


def freeze(server: Any, **more: Any) -> dict[str, Any]:
    """Freeze everything and return the freeze."""
    answer = server.post("/freezes", {"reason": "sales", **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def later(**ahead: float) -> str:
    """Return a moment so far from now, as ISO 8601."""
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


def actions(server: Any) -> list[str]:
    """Return what was done, oldest first, besides making tokens."""
    rows = server.store.audit(AuditFilter())[::-1]
    return [row.action for row in rows if row.action != "token.create"]


def test_a_freeze_is_made_listed_and_lifted(server: Any) -> None:
    found = freeze(server, fraise="ap*", environment="production", until=later(hours=2))
    assert (found["state"], found["by"]) == ("holds", server.ids[Scope.ADMIN])
    assert server.get("/freezes", scope=Scope.READ).get_json()["freezes"] == [found]
    lifted = server.ask("DELETE", f"/api/v1/freezes/{found['id']}")
    assert lifted.status_code == 200
    assert lifted.get_json()["state"] == "lifted"
    assert server.get("/freezes").get_json()["total"] == 0
    assert server.get("/freezes?all=true").get_json()["total"] == 1
    again = server.ask("DELETE", f"/api/v1/freezes/{found['id']}")
    assert (again.status_code, again.get_json()["code"]) == (409, "refused")
    missing = server.ask("DELETE", "/api/v1/freezes/frz_x")
    assert (missing.status_code, missing.get_json()["code"]) == (404, "freeze_not_found")
    assert actions(server) == ["freeze", "unfreeze"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "reason"),
        ({"reason": "x", "fraise": "apy"}, 404, "did you mean"),
        ({"reason": "x", "fraise": "web-*"}, 422, "nothing is configured"),
        ({"reason": "x", "fraise": "a[p]i"}, 422, "no pattern"),
        ({"reason": "x", "fraise": "api", "environment": "prod"}, 404, "no environment"),
        ({"reason": "x", "environment": "prod"}, 422, "nothing is configured"),
        ({"reason": "x", "until": "2020-01-01T00:00:00Z"}, 422, "ended already"),
        ({"reason": "x", "from": later(hours=2), "until": later(hours=1)}, 422, "before it begins"),
        ({"reason": "x", "until": "tomorrow"}, 422, "until"),
        ({"reason": "x", "until": "2030-01-01T00:00:00"}, 422, "until"),
        ({"reason": "x", "glob": "y"}, 422, "glob"),
    ],
)
def test_a_freeze_that_would_hold_nothing_is_refused(
    server: Any, body: dict[str, Any], status: int, said: str
) -> None:
    answer = server.post("/freezes", body)
    assert answer.status_code == status, answer.text
    assert said in answer.text
    assert server.store.freezes(over=True) == []


def test_a_frozen_target_answers_409_and_says_the_ways_on(server: Any) -> None:
    found = freeze(server)
    answer = server.post("/deployments", WISH)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "frozen")
    assert found["id"] in answer.get_json()["detail"]
    assert "--break-glass" in answer.get_json()["hint"]
    assert actions(server) == ["freeze"]


def test_a_frozen_target_is_told_before_its_repository_is_asked(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> str:
        raise FraisierError("the repository does not answer", "look at it")

    monkeypatch.setattr(server.services.deployments._repositories, "resolve", gone, raising=False)
    freeze(server)
    assert server.post("/deployments", WISH).get_json()["code"] == "frozen"
    glass = server.post("/deployments", {**WISH, "break_glass": "it burns"})
    assert (glass.status_code, glass.get_json()["hint"]) == (502, "look at it")


def test_a_planned_freeze_refuses_nothing_yet(server: Any) -> None:
    assert freeze(server, **{"from": later(hours=1)})["state"] == "planned"
    assert server.post("/deployments", WISH).status_code == 202


def test_what_waits_is_shown_with_its_freeze_and_in_the_queue(server: Any) -> None:
    asked = server.deploy()
    found = freeze(server)
    shown = server.get(f"/deployments/{asked['id']}").get_json()
    assert shown["blocked_by"] == found["id"]
    (waiting,) = server.get("/queue").get_json()["waiting"]
    assert waiting["blocked_by"] == found["id"]
    assert "sales" in waiting["waiting_for"]


def test_a_rollback_is_taken_during_a_freeze(server: Any) -> None:
    for version in ("v1", "v2"):
        last = server.deploy(version=version)
        server.end(last["id"])
    freeze(server)
    answer = server.post(f"/deployments/{last['id']}/rollback", {})
    assert answer.status_code == 202, answer.text
    assert begin(server.store, answer.get_json()["id"]).status is Status.IN_PROGRESS


def test_the_glass_is_broken_by_admins_alone_and_a_try_is_recorded(server: Any) -> None:
    freeze(server)
    glass = {**WISH, "break_glass": "it burns"}
    refused = server.post("/deployments", glass, scope=Scope.DEPLOY)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "forbidden")
    assert "--scope admin" in refused.get_json()["hint"]
    row = server.store.audit(AuditFilter())[0]
    assert (row.actor, row.result, row.subject) == (
        server.ids[Scope.DEPLOY], "forbidden", "api production",
    )  # fmt: skip
    taken = server.post("/deployments", glass)
    assert taken.status_code == 202
    assert taken.get_json()["options"]["break_glass"] == "it burns"
    assert actions(server) == ["freeze", "deploy.break_glass", "deploy.break_glass"]


def test_a_promotion_is_refused_in_a_freeze_unless_the_glass_is_broken(server: Any) -> None:
    staging, production = make_target(environment="staging"), make_target()
    fraise = Fraise("api", "api", "", {"staging": staging, "production": production})
    catalogue = replace(make_catalogue(production), fraises={"api": fraise})
    deployments = Deployments(catalogue, server.store, Repositories(), Inventories())
    services = replace(server.services, catalogue=catalogue, deployments=deployments)
    server.serve(services)
    server.end(server.deploy(environment="staging")["id"])
    found = freeze(server, environment="production")
    path = "/fraises/api/environments/production/promote"
    answer = server.post(path, {"from": "staging"})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "frozen")
    assert found["id"] in answer.get_json()["detail"]
    glass = {"from": "staging", "break_glass": "it burns"}
    assert server.post(path, glass, scope=Scope.DEPLOY).status_code == 403
    assert server.post(path, glass).status_code == 202
    assert actions(server)[-2:] == ["promote.break_glass", "promote.break_glass"]


def test_a_dry_run_changes_nothing_and_is_answered_in_a_freeze(server: Any) -> None:
    freeze(server)
    answer = server.post("/deployments", {**WISH, "dry_run": True})
    assert answer.status_code == 200, answer.text


def test_a_push_to_a_frozen_target_is_refused_with_the_freeze_as_its_reason(server: Any) -> None:
    found = freeze(server)
    source = "https://git.example/my-api"
    catalogue = replace(
        make_catalogue(make_target()),
        listening=(Listening("api", "production", source, DeployOn("main"), "gitea"),),
        git_hosts={"gitea": GitHost((SecretReference("env", "X"),))},
    )
    deployments = Deployments(catalogue, server.store, Repositories(), Inventories())
    pushes = Pushes(catalogue, server.store, deployments)
    push = Push("my-api", ("https://git.example/my-api",), "branch", "main", "a" * 40, "one")
    came = pushes.receive("gitea", "1", b"{}", Received("push", (push,)))
    assert came.outcomes[0].deployment_id is None
    assert found["id"] in came.outcomes[0].reason
    server.store.lift_freeze(found["id"], "me")
    again = pushes.redeliver(came.id, "me")
    assert again.outcomes[0].deployment_id is not None, "a person may deploy it afterwards"


def test_deploy_windows_refuse_over_http_too(server: Any) -> None:
    yesterday = (datetime.now(UTC).weekday() - 2) % 7
    closed = (Window((yesterday,), "00:00", "00:01"),)
    catalogue = make_catalogue(make_target(deploy_windows=closed))
    deployments = Deployments(catalogue, server.store, Repositories(), Inventories())
    client = server.serve(replace(server.services, deployments=deployments))
    shown = {"Authorization": f"Bearer {server.secrets[Scope.DEPLOY]}"}
    answer = client.post("/api/v1/deployments", json=WISH, headers=shown)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "outside_deploy_window")
    wish = Wish("api", "production", "cli:me", version="v1", break_glass="it burns")
    assert deployments.deploy(wish).status is Status.PENDING
