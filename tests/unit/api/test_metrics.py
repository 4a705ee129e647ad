"""Metrics: from the records, by the names of the contract, and with bounded labels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fraisier.domain.deployment import Status
from fraisier.domain.ids import now
from support.applications import Applications
from support.fakes import begin

LABELS = {
    "fraise": "api", "environment": "production", "provider": "bare_metal", "strategy": "rolling",
}  # fmt: skip


def scraped(server) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample, by its name and labels."""
    answer = server.ask("GET", "/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def reader(server) -> Callable[..., float]:
    """Return a function that returns one sample of what is scraped now."""
    found = scraped(server)
    return lambda name, **labels: found[name, frozenset(labels.items())]


@pytest.fixture
def applications() -> Applications:
    """Return none that other tests have used: their requests would be counted, and parsed."""
    return Applications()


def test_deployments_are_counted_as_the_records_have_them(server) -> None:
    for status in (Status.SUCCESS, Status.SUCCESS):
        server.end(server.deploy()["id"], status)
    server.end(server.deploy(version="v9")["id"], Status.ROLLED_BACK)
    server.end(server.deploy(version="v2")["id"])
    last = server.get("/deployments?limit=1").get_json()["deployments"][0]
    back = server.post(f"/deployments/{last['id']}/rollback", {}).get_json()
    server.end(back["id"])
    begin(server.store, server.deploy()["id"])
    server.deploy(version="v3")
    server.deploy(version="v4")
    value = reader(server)
    total = "fraisier_deployments_total"
    assert value(total, **LABELS, status="success") == 4
    assert value(total, **LABELS, status="rolled_back") == 1
    assert value("fraisier_active_deployments") == 1
    assert value("fraisier_queued_deployments") == 2
    rollbacks = "fraisier_rollbacks_total"
    assert value(rollbacks, provider="bare_metal", reason="automatic") == 1
    assert value(rollbacks, provider="bare_metal", reason="requested") == 1
    duration = "fraisier_deployment_duration_seconds"
    good = {**LABELS, "status": "success"}
    assert value(f"{duration}_count", **good) == 4
    assert value(f"{duration}_bucket", **good, le="1.0") == 4
    assert value(f"{duration}_bucket", **good, le="+Inf") == 4
    assert 0 < value(f"{duration}_sum", **good) < 4


def test_nothing_deployed_gives_zeros_and_no_error(server) -> None:
    value = reader(server)
    assert value("fraisier_active_deployments") == 0
    assert value("fraisier_queued_deployments") == 0


def test_requests_are_labelled_by_route_and_not_by_what_stands_in_it(server) -> None:
    for name in ("dep_x1", "dep_x2"):
        server.get(f"/deployments/{name}")
        server.get(f"/nothing/{name}")
    found = scraped(server)
    rules = {dict(labels).get("url_rule") for _, labels in found if dict(labels).get("url_rule")}
    assert "/api/v1/deployments/<name:deployment_id>" in rules
    assert not any(name in rule for rule in rules for name in ("dep_x", "nothing"))


def test_two_applications_in_one_process_do_not_share_their_numbers(
    server, template, tmp_path
) -> None:
    server.end(server.deploy()["id"])
    (tmp_path / "other").mkdir()
    other = type(server)(tmp_path / "other", template, Applications())
    assert "fraisier_deployments_total" not in {name for name, _ in scraped(other)}


def test_a_wrong_clock_and_late_webhooks_show(server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = server.store
    monkeypatch.setattr(store, "now", lambda: now() - 600_000_000)
    monkeypatch.setattr(store, "delivery_lag", lambda: {"chat": 42.0})
    value = reader(server)
    assert value("fraisier_clock_ahead_seconds") == pytest.approx(600, abs=5)
    assert value("fraisier_webhook_lag_seconds", endpoint="chat") == 42
