"""What a webhook is sent of an event."""

from __future__ import annotations

import json
from typing import Any

from fraisier.domain.delivery import Endpoint
from fraisier.webhooks.outgoing.payloads import LARGEST_BODY, ping_notice, webhook_body
from support.receiving import told


def sent(**more: Any) -> Any:
    return json.loads(webhook_body(told(**more), "ins_1"))


def test_an_end_has_the_flat_keys_and_the_whole_event() -> None:
    body = sent()
    whole = body.pop("data")
    assert body == {
        "event": "deployment.completed",
        "event_id": "evt_dep_1_1",
        "deployment_id": "dep_1",
        "fraise": "my_api",
        "environment": "production",
        "triggered_by": "cli:ada",
        "timestamp": "2026-11-18T11:06:40.123456Z",
        "status": "success",
        "version": "0123456789abcdef0123456789abcdef01234567",
        "duration_seconds": 12.25,
    }
    assert whole == told().payload("ins_1")


def test_what_is_under_way_has_no_status() -> None:
    body = sent(event="deployment.started", data={})
    assert {"status", "version", "duration_seconds"}.isdisjoint(body)
    assert body["data"]["version"].startswith("0123")


def test_the_named_ends_have_a_status_too() -> None:
    body = sent(event="deployment.rolled_back", data={"status": "rolled_back", "reason": "r"})
    assert (body["status"], body["duration_seconds"]) == ("rolled_back", None)


def test_an_event_of_no_deployment_and_a_test_have_the_same_shape() -> None:
    note = told(event="audit.token.create", deployment_id=None, fraise=None, environment=None)
    assert json.loads(webhook_body(note, "i"))["fraise"] is None
    body = json.loads(webhook_body(ping_notice(1_795_000_000_000_000), "i"))
    assert (body["event"], body["deployment_id"]) == ("ping", None)
    assert {*body} == {*sent(event="deployment.started")}


def test_a_body_is_ascii_and_one_that_is_too_large_goes_without_what_makes_it_so() -> None:
    large = told(event="log.line", data={"text": "é\n" * LARGEST_BODY})
    text = webhook_body(large, "ins_1")
    assert text.isascii()
    assert len(text) < 2000
    assert json.loads(text)["data"]["data"]["truncated"] is True
    assert webhook_body(told(data={"text": "é"}), "i").isascii()


def test_a_receiver_wants_what_its_patterns_and_filters_say() -> None:
    def wants(event: str, **more: Any) -> bool:
        return Endpoint("x", "webhook", "https://e.example", **more).wants(told(event=event))

    assert wants("deployment.started")
    assert not wants("log.line")
    assert wants("log.line", events=("*",))
    assert wants("health_check.failed", events=("*.failed",))
    assert not wants("deployment.started", events=("deployment.completed",))
    assert not wants("deployment.started", fraises=("other",))
    assert wants("deployment.started", fraises=("other", "my_api"), environments=("production",))
    assert not wants("deployment.started", environments=("staging",))


def test_a_receiver_never_prints_where_it_is() -> None:
    assert "T0/B0/secret" not in repr(Endpoint("x", "slack", "https://chat.example/T0/B0/secret"))
