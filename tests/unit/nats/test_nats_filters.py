"""Filters and events: what is let through, and what is refused at the door."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraisier.domain.errors import UsageError
from fraisier.nats import Event, EventFilter, EventSubscriberRegistry, NotAnEvent
from fraisier.nats.bus import starting

GOOD: dict[str, Any] = {
    "event_type": "deployment.started",
    "event_id": "evt_1",
    "timestamp": "2026-11-23T16:04:05.271828Z",
    "sequence": 2,
    "service": "my_api",
    "environment": "production",
    "region": "eu-west-1",
    "deployment_id": "dep_1",
    "data": {"service": "my_api"},
}


def event(**more: Any) -> Event:
    """Return an event."""
    return Event.read(json.dumps({**GOOD, **more}).encode(), "S", 5)


@pytest.mark.parametrize(
    ("wanted", "so"),
    [
        (EventFilter(), True),
        (EventFilter(event_type="deployment.started"), True),
        (EventFilter("deployment.failed"), False),
        (EventFilter("deployment.*"), True),
        (EventFilter("*.started"), True),
        (EventFilter("*"), True),
        (EventFilter("dep*"), True),
        (EventFilter(["log.line", "deployment.started"]), True),
        (EventFilter(("log.line", "runner.*")), False),
        (EventFilter(service="my_*"), True),
        (EventFilter(service="my_ap"), False),
        (EventFilter(service="y_api"), False),
        (EventFilter(service="my.api"), False),
        (EventFilter(service="my_api", environment=["staging", "production"]), True),
        (EventFilter(service="my_api", environment="staging"), False),
        (EventFilter(region="eu-*", deployment_id="dep_1"), True),
        (EventFilter(deployment_id="dep_10"), False),
        (EventFilter(service="**_api"), True),
        (EventFilter(service="[m]y_api"), False),
    ],
)
def test_a_filter_lets_through_what_was_asked_for(wanted: EventFilter, so: bool) -> None:
    assert wanted.matches(event()) is so


def test_an_event_without_a_value_is_let_through_by_no_value_only() -> None:
    audit = event(event_type="audit.token.create", service=None, environment=None)
    assert EventFilter(event_type="audit.*").matches(audit)
    assert not EventFilter(service="*").matches(audit)


@pytest.mark.parametrize(
    ("wanted", "families"),
    [
        ("deployment.started", {"deployment"}),
        ("health_check.*", {"health_check"}),
        (["log.line", "audit.*"], {"log", "audit"}),
        ("*.failed", {"audit", "deployment", "health_check", "log", "metrics", "runner"}),
        ("*", {"audit", "deployment", "health_check", "log", "metrics", "runner"}),
        ("r*", {"runner"}),
    ],
)
def test_only_the_streams_that_can_hold_it_are_read(wanted: Any, families: set[str]) -> None:
    assert EventFilter(event_type=wanted).families() == families


@pytest.mark.parametrize(
    "bad", ["deployment.startd", "deploy", "audit.", "x.*", "", [], [""], 5, [5], {}]
)
def test_a_filter_that_can_never_match_is_refused(bad: Any) -> None:
    with pytest.raises(UsageError):
        EventFilter(event_type=bad)


def test_a_near_miss_is_named() -> None:
    with pytest.raises(UsageError, match=r'did you mean "deployment.started"'):
        EventFilter(event_type="deployment.startd")


def test_an_event_says_where_it_is_and_ignores_what_it_does_not_know() -> None:
    found = event(new_key=1, stream="forged", stream_sequence=99)
    assert (found.stream, found.stream_sequence, found.service) == ("S", 5, "my_api")
    assert found.moment == datetime(2026, 11, 23, 16, 4, 5, 271828, UTC)


@pytest.mark.parametrize(
    "more",
    [
        {"event_id": None},
        {"event_type": 5},
        {"data": []},
        {"sequence": "2"},
        {"service": {"a": 1}},
        {"timestamp": "yesterday"},
        {"timestamp": "2026-11-23T16:04:05"},
    ],
)
def test_what_is_no_event_is_said_to_be_none(more: dict[str, Any]) -> None:
    with pytest.raises(NotAnEvent):
        event(**more)


@given(st.binary())
def test_no_message_breaks_the_reader(body: bytes) -> None:
    with pytest.raises(NotAnEvent):
        Event.read(body)


#: To draw from all of Unicode, Hypothesis first makes a table of it, which takes 2 s.
TEXTS = st.text('a.*_ -0\x00\n"\\é\u2028\ud800\U0001f353')


@given(st.recursive(st.none() | st.booleans() | st.integers() | TEXTS, st.lists))
def test_no_json_breaks_the_reader(value: Any) -> None:
    for name in GOOD:
        try:
            event(**{name: value})
        except NotAnEvent:
            continue


@pytest.mark.parametrize(
    "since", ["soon", "2026-01-01T00:00:00", datetime(2026, 1, 1), 5, "9999-12-31T23:59:59-14:00"]
)
def test_a_beginning_that_is_no_moment_is_refused(since: Any) -> None:
    with pytest.raises(UsageError, match="no moment"):
        starting({"log"}, since, None)


@pytest.mark.parametrize("sequence", [0, -1, "5", 1.5])
def test_a_beginning_that_is_no_sequence_is_refused(sequence: Any) -> None:
    with pytest.raises(UsageError, match="no sequence"):
        starting({"log"}, None, sequence)


def test_a_sequence_is_of_one_stream_and_not_beside_a_moment() -> None:
    assert starting({"log"}, None, 7).sequence == 7
    with pytest.raises(UsageError, match="sequences of its own"):
        starting({"log", "runner"}, None, 7)
    with pytest.raises(UsageError, match="cannot both"):
        starting({"log"}, "2026-01-01T00:00:00Z", 7)


def test_a_registry_refuses_what_it_cannot_use() -> None:
    registry = EventSubscriberRegistry()
    with pytest.raises(UsageError, match="no handler"):
        registry.register("print")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no filter"):
        registry.register(print, "deployment.*")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nobody wants"):
        registry.listen(seconds=0)
