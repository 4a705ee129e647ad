"""What a fraise's deployments were: its history, and figures of what ended."""

from __future__ import annotations

import pytest

from fraisier.domain.deployment import UNTOUCHED, Status
from support.fakes import begin


def test_the_history_is_a_page_of_the_fraises_deployments_newest_first(server) -> None:
    made = [server.deploy(version=f"v{n}")["id"] for n in range(3)]
    server.end(made[0])
    answer = server.get("/fraises/api/history?limit=2&environment=production").get_json()
    assert [one["id"] for one in answer["deployments"]] == [made[2], made[1]]
    assert (answer["total"], answer["limit"], answer["offset"]) == (3, 2, 0)
    ended = server.get("/fraises/api/history?status=success").get_json()["deployments"]
    assert [one["id"] for one in ended] == [made[0]]


def test_the_figures_count_what_ended(server) -> None:
    for version, status in (("v1", Status.SUCCESS), ("v2", Status.ROLLED_BACK)):
        server.end(server.deploy(version=version)["id"], status)
    last = begin(server.store, server.deploy(version="v3")["id"])
    server.store.finish(last, Status.FAILED, f"web-1: no; {UNTOUCHED}")
    server.deploy(version="v4")
    found = server.get("/fraises/api/metrics?environment=production").get_json()
    assert (found["total"], found["days"], found["truncated"]) == (3, 30, False)
    assert found["counts"]["success"] == found["counts"]["rolled_back"] == 1
    assert found["rollbacks"] == {"automatic": 1, "requested": 0}
    assert found["duration_seconds"]["count"] == 3
    assert 0 <= found["duration_seconds"]["p50"] <= found["duration_seconds"]["p95"] < 60
    dora = found["dora"]
    assert (dora["changes"], dora["failures"], dora["change_failure_rate"]) == (2, 1, 0.5)
    assert dora["deployment_frequency_per_day"] == pytest.approx(1 / 30, abs=0.001)


def test_a_period_that_has_nothing_has_no_figures_and_no_error(server) -> None:
    server.end(server.deploy()["id"])
    assert server.get("/fraises/api/metrics?since=2020-01-01T00:00:00Z").get_json()["total"] == 1
    found = server.get("/fraises/api/metrics?environment=production").get_json()
    assert found["environment"] == "production"
    empty = server.get("/fraises/api/metrics?since=0001-01-01T00:00:00Z")
    assert empty.status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fraises/nope/metrics", 404),
        ("/fraises/nope/history", 404),
        ("/fraises/api/metrics?environment=nope", 404),
        ("/fraises/api/history?environment=nope", 404),
        ("/fraises/api/metrics?since=2999-01-01T00:00:00Z", 422),
        ("/fraises/api/metrics?since=yesterday", 422),
        ("/fraises/api/metrics?limit=1", 422),
    ],
)
def test_what_does_not_exist_or_cannot_be_meant_is_refused(server, path: str, status: int) -> None:
    assert server.get(path).status_code == status


def test_doras_keys_are_gauges_of_each_target(server) -> None:
    server.end(server.deploy(version="v1")["id"])
    server.end(server.deploy(version="v2")["id"], Status.ROLLBACK_FAILED)
    text = server.ask("GET", "/metrics").get_data(as_text=True)
    labels = '{environment="production",fraise="api"}'
    assert f"fraisier_dora_change_failure_ratio{labels} 0.5" in text
    assert f"fraisier_dora_deployments_per_day{labels} 0.03" in text
    assert f"fraisier_dora_lead_time_seconds{labels} " in text
    assert f"fraisier_dora_time_to_restore_seconds{labels}" not in text
