"""The routes of deployments and targets: what they answer and what they record."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest

from fraisier.api import services
from fraisier.api.services import SLOW_AT_ONCE, SLOW_WAITING
from fraisier.config.providers import collection_folder, load_providers
from fraisier.domain.deployment import HostRecord, Placement, Status
from fraisier.domain.errors import FraisierError
from fraisier.domain.event import Fact
from fraisier.domain.token import Scope
from fraisier.engine.views import deployment_json, event_json
from support.fakes import begin, joined

WISH = {"fraise": "api", "environment": "production", "version": "v1"}


def test_a_request_is_accepted_recorded_and_found_where_the_answer_says(server) -> None:
    answer = server.post("/deployments", WISH)
    assert answer.status_code == 202
    asked = answer.get_json()
    assert (asked["status"], asked["version"]) == ("pending", "v1")
    assert answer.headers["Location"] == f"/api/v1/deployments/{asked['id']}"
    shown = server.ask("GET", answer.headers["Location"]).get_json()
    waits = {"blocked_by": None, "position": 1, "waiting_for": "no server and no worker is running"}
    assert shown == {**asked, **waits, "hosts": []}
    worker = joined(server.store, "serve").id
    claimed = server.store.claim_next(worker, lambda _target: True)
    assert claimed.id == asked["id"], "a server may claim it"


def test_all_options_of_a_request_reach_the_deployment(server) -> None:
    body = {"strategy": "recreate", "health_check_delay": 1.5, "force": True, "version": None}
    asked = server.store.deployment(server.deploy(**body)["id"])
    assert (asked.version, asked.requested_version, asked.strategy) == ("main", None, "recreate")
    assert asked.options == {"health_check_delay": 1.5, "force": True}
    at_once = server.store.deployment(server.deploy(health_check_delay=0)["id"])
    assert at_once.options == {"health_check_delay": 0}


def test_a_dry_run_answers_with_the_plan_and_records_nothing(server) -> None:
    answer = server.post("/deployments", {**WISH, "dry_run": True})
    assert answer.status_code == 200, answer.text
    plan = answer.get_json()
    assert plan["ok"] is True
    assert [step["verb"] for step in plan["plan"]["steps"]] == ["deploy"]
    assert server.get("/deployments").get_json()["total"] == 0


def test_a_waiting_deployment_says_what_it_waits_for(server) -> None:
    first, second = server.deploy()["id"], server.deploy(version="v2")["id"]
    assert server.get(f"/deployments/{second}").get_json()["blocked_by"] == first


@pytest.mark.parametrize("path", ["/deployments", "/deployments/ID/rollback"])
def test_the_same_key_gives_the_same_deployment_whatever_has_happened_since(
    server, path: str
) -> None:
    for version in ("v1", "v2"):
        server.end(server.deploy(version=version)["id"])
    target = server.deploy(version="v3")
    path, body = path.replace("ID", target["id"]), {} if "rollback" in path else WISH
    first = server.post(path, body, headers={"Idempotency-Key": "k"})
    server.stop.drain.clear()
    again = server.post(path, body, headers={"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code) == (202, 202), first.text
    assert first.get_json()["id"] == again.get_json()["id"]
    other = server.post(path, {**body, "force": True}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency_key_reused")


def test_a_repeated_request_needs_no_git_server(server, monkeypatch: pytest.MonkeyPatch) -> None:
    first = server.post("/deployments", WISH, headers={"Idempotency-Key": "k"}).get_json()

    def gone(*_: object) -> str:
        raise FraisierError("the repository does not answer", "look at it")

    monkeypatch.setattr(server.services.deployments._repositories, "resolve", gone, raising=False)
    again = server.post("/deployments", WISH, headers={"Idempotency-Key": "k"})
    assert again.get_json()["id"] == first["id"]
    failed = server.post("/deployments", WISH)
    assert (failed.status_code, failed.get_json()["hint"]) == (502, "look at it")


def test_an_error_without_paths_of_the_server_is_still_a_sentence(
    server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def foreign(*_: object) -> str:
        path = "/git/api.git"
        raise FraisierError(f"cannot read {path}: fatal: '{path}' is no repository", "look at it")

    monkeypatch.setattr(
        server.services.deployments._repositories, "resolve", foreign, raising=False
    )
    told = server.post("/deployments", WISH).get_json()["detail"]
    assert told == "cannot read api.git: fatal: 'api.git' is no repository"


def test_a_token_that_may_only_read_is_told_the_scope_it_needs(server) -> None:
    refused = server.post("/deployments", WISH, scope=Scope.READ)
    assert refused.status_code == 403
    assert '"read"' in refused.get_json()["detail"]
    assert refused.get_json()["hint"].endswith("--scope deploy")


def test_deployments_are_listed_in_pages_and_filtered(server) -> None:
    ids = [server.deploy(version=f"v{n}")["id"] for n in range(5)]
    server.end(ids[0])
    page = server.get("/deployments?limit=2&offset=1").get_json()
    assert [each["id"] for each in page["deployments"]] == [ids[3], ids[2]]
    assert (page["total"], page["limit"], page["offset"]) == (5, 2, 1)
    assert server.get("/deployments?status=success").get_json()["total"] == 1
    assert server.get("/deployments?fraise=api&environment=staging").get_json()["total"] == 0
    later = server.get("/deployments?since=2999-01-01T00:00:00Z").get_json()
    assert later["deployments"] == []
    assert server.get("/deployments?since=2020-01-01T00:00:00%2B02:00").get_json()["total"] == 5


def test_an_answer_is_what_the_views_say(server) -> None:
    asked = server.deploy()
    begun = begin(server.store, asked["id"])
    error = {"code": "c", "message": "m", "hint": "h"}
    host = HostRecord("web-1", "failed", "r1", None, error)
    server.store.record(begun, [], [host], [Placement("web-1", 1, "r1", "v1", True, 1)])
    recorded = server.store.deployment(asked["id"])
    assert server.get(f"/deployments/{asked['id']}").get_json() == deployment_json(recorded, [host])
    (listed,) = server.get("/deployments").get_json()["deployments"]
    assert listed == deployment_json(recorded)
    (placed,) = server.get("/fraises/api/status").get_json()["targets"][0]["hosts"]
    assert (placed["host"], placed["release"], placed["healthy_when_seen"]) == ("web-1", "r1", True)


def test_events_and_logs_are_read_from_where_the_reader_stopped(server) -> None:
    asked = server.deploy()["id"]
    begun = begin(server.store, asked)
    server.store.record(begun, [Fact("log.line", "web-1", {"text": f"{n}"}) for n in range(3)])
    everything = server.get(f"/deployments/{asked}/events").get_json()
    assert everything["events"] == [event_json(event) for event in server.store.events(asked)]
    assert (everything["total"], everything["offset"]) == (5, 0)
    page = server.get(f"/deployments/{asked}/events?after=2&limit=2").get_json()
    assert [event["sequence"] for event in page["events"]] == [3, 4]
    assert (page["total"], page["offset"], page["limit"]) == (5, 2, 2)
    logs = server.get(f"/deployments/{asked}/logs?after=3").get_json()
    assert [event["data"]["text"] for event in logs["logs"]] == ["1", "2"]
    assert (logs["total"], logs["offset"]) == (3, 1)


def test_a_cancel_ends_what_waits_asks_what_runs_and_is_refused_afterwards(server) -> None:
    running, waiting = server.deploy()["id"], server.deploy(version="v2")["id"]
    begin(server.store, running)
    ended = server.post(f"/deployments/{waiting}/cancel", {})
    assert (ended.status_code, ended.get_json()["status"]) == (200, "cancelled")
    asked = server.post(f"/deployments/{running}/cancel")
    assert (asked.status_code, asked.get_json()["status"]) == (202, "in_progress")
    assert server.store.deployment(running).cancel_requested_at
    refused = server.post(f"/deployments/{waiting}/cancel")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "refused")
    assert "cancelled" in refused.get_json()["detail"]


def test_a_paused_deployment_says_so_and_goes_on_when_somebody_wishes(server) -> None:
    asked = server.deploy()["id"]
    begun = begin(server.store, asked)
    refused = server.post(f"/deployments/{asked}/resume")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "refused")
    assert "is not paused" in refused.get_json()["detail"]
    server.store.record(begun, [Fact("deployment.paused", None, {"weight": 10, "why": "w"})])
    shown = server.get(f"/deployments/{asked}").get_json()
    assert (shown["status"], shown["paused"]) == ("in_progress", True)
    resumed = server.post(f"/deployments/{asked}/resume", {}, scope=Scope.DEPLOY)
    assert resumed.status_code == 202
    assert resumed.get_json()["resume_requested_by"] == server.ids[Scope.DEPLOY]
    again = server.post(f"/deployments/{asked}/resume")
    assert again.get_json()["resume_requested_by"] == server.ids[Scope.DEPLOY]
    server.store.record(begun, [Fact("deployment.resumed", None, {"weight": 10})])
    assert server.get(f"/deployments/{asked}").get_json()["paused"] is False
    server.post(f"/deployments/{asked}/cancel")
    server.store.record(begun, [Fact("deployment.paused", None, {"weight": 50, "why": "w"})])
    late = server.post(f"/deployments/{asked}/resume")
    assert (late.status_code, "being cancelled" in late.get_json()["detail"]) == (409, True)


def test_a_rollback_is_a_new_deployment_of_the_same_target(server) -> None:
    for version in ("v1", "v2"):
        server.end(server.deploy(version=version)["id"])
    last = server.get("/deployments?limit=1").get_json()["deployments"][0]
    answer = server.post(f"/deployments/{last['id']}/rollback", {"reason": "it is slow"})
    assert answer.status_code == 202
    back = answer.get_json()
    assert (back["kind"], back["version"], back["status"]) == ("rollback", "v1", "pending")
    assert server.store.deployment(back["id"]).options["reason"] == "it is slow"
    named = server.post(f"/deployments/{last['id']}/rollback", {"to_version": "v9"})
    assert (named.status_code, named.get_json()["code"]) == (422, "invalid_arguments")


def test_a_held_target_is_refused_until_it_is_unlocked(server) -> None:
    held = server.deploy()["id"]
    server.end(held, Status.ROLLBACK_FAILED)
    refused = server.post("/deployments", WISH)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "refused")
    assert held in refused.get_json()["detail"]
    (target,) = server.get("/fraises/api/status").get_json()["targets"]
    assert target["held_by"] == held
    path = "/fraises/api/environments/production/unlock"
    assert server.post(path, {"reason": "I looked"}).get_json() == {"released": held}
    assert server.post(path, {"reason": "again"}).status_code == 409
    assert server.post("/deployments", WISH).status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/deployments/dep_nope", "deployment_not_found"),
        ("GET", "/deployments/dep_nope/events", "deployment_not_found"),
        ("GET", "/deployments/dep_nope/logs", "deployment_not_found"),
        ("POST", "/deployments/dep_nope/cancel", "deployment_not_found"),
        ("POST", "/deployments/dep_nope/rollback", "deployment_not_found"),
        ("GET", "/fraises/nope", "fraise_not_found"),
        ("GET", "/fraises/nope/status", "fraise_not_found"),
        ("GET", "/fraises/api/status?environment=nope", "environment_not_found"),
        ("GET", "/environments/nope", "environment_not_found"),
        ("POST", "/fraises/api/environments/nope/unlock", "environment_not_found"),
        ("GET", "/nope", "not_found"),
        ("GET", f"/deployments/{'x' * 200}", "not_found"),
    ],
)
def test_what_does_not_exist_is_a_404_with_a_code(
    server, method: str, path: str, code: str
) -> None:
    body = {"reason": "r"} if "unlock" in path else {}
    answer = server.ask(method, f"/api/v1{path}", json=body if method == "POST" else None)
    assert (answer.status_code, answer.get_json()["code"]) == (404, code)


def test_unknown_names_and_versions_in_a_request_are_404_with_what_is_known(server) -> None:
    for wrong, code in (
        ({"fraise": "apy"}, "fraise_not_found"),
        ({"environment": "prod"}, "environment_not_found"),
        ({"version": "nope"}, "version_not_found"),
    ):
        answer = server.post("/deployments", {**WISH, **wrong})
        assert (answer.status_code, answer.get_json()["code"]) == (404, code)
    strategy = server.post("/deployments", {**WISH, "strategy": "canary"})
    assert (strategy.status_code, strategy.get_json()["code"]) == (422, "invalid_arguments")
    assert "rolling" in strategy.get_json()["hint"]


def test_the_catalogue_is_listed(server) -> None:
    (fraise,) = server.get("/fraises").get_json()["fraises"]
    assert fraise == server.get("/fraises/api").get_json()
    assert fraise["environments"][0]["hosts"] == ["web-1"]
    (environment,) = server.get("/environments").get_json()["environments"]
    assert environment == server.get("/environments/production").get_json()
    (provider,) = server.get("/providers").get_json()["providers"]
    assert (provider["name"], provider["source"]) == ("bare_metal", "own")
    assert server.get("/fraises?offset=5").get_json()["fraises"] == []


def test_requests_that_ask_git_are_bounded_so_that_reading_goes_on(
    server, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, leave = threading.Semaphore(0), threading.Event()

    def hang(*_: object) -> str:
        inside.release()
        assert leave.wait(20)
        return "v1"

    monkeypatch.setattr(services, "SLOW_SECONDS", 0.1)
    monkeypatch.setattr(server.services.deployments._repositories, "resolve", hang, raising=False)
    with ThreadPoolExecutor(SLOW_AT_ONCE) as pool:
        asked = [pool.submit(server.deploy) for _ in range(SLOW_AT_ONCE)]
        for _ in asked:
            assert inside.acquire(timeout=20)
        busy = server.post("/deployments", WISH)
        assert (busy.status_code, busy.headers["Retry-After"]) == (503, "2")
        assert server.get("/deployments").status_code == 200
        leave.set()
        assert len({each.result()["id"] for each in asked}) == SLOW_AT_ONCE
    assert server.post("/deployments", WISH).status_code == 202


def test_a_few_more_of_them_wait_for_their_turn_and_the_rest_is_refused_at_once_i16(
    server, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave, many = threading.Event(), SLOW_AT_ONCE + SLOW_WAITING
    monkeypatch.setattr(services, "SLOW_SECONDS", 20)
    monkeypatch.setattr(
        server.services.deployments._repositories,
        "resolve",
        lambda *_: "v1" if leave.wait(20) else "",
        raising=False,
    )
    with ThreadPoolExecutor(many + 1) as pool:
        asked = [pool.submit(server.post, "/deployments", WISH) for _ in range(many + 1)]
        first = next(as_completed(asked, timeout=20))
        assert (first.result().status_code, first.result().headers["Retry-After"]) == (503, "2")
        leave.set()
        answers = sorted(each.result().status_code for each in asked)
    assert answers == [202] * many + [503]


def test_providers_are_listed_without_a_path_of_the_server(server) -> None:
    shipped = load_providers(server.folder, {})
    own = dataclasses.replace(shipped["coolify"], name="own", source=str(server.folder / "own"))
    catalogue = dataclasses.replace(server.services.catalogue, providers={**shipped, "own": own})
    client = server.serve(dataclasses.replace(server.services, catalogue=catalogue))
    headers = {"Authorization": f"Bearer {server.secrets[Scope.READ]}"}
    answer = client.get("/api/v1/providers", headers=headers)
    sources = {each["name"]: each["source"] for each in answer.get_json()["providers"]}
    assert sources == dict.fromkeys(shipped, "fraisier.deploy") | {"own": "own"}
    assert str(server.folder) not in answer.text
    assert str(collection_folder()) not in answer.text
