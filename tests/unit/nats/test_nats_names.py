"""Subjects, headers and bodies: what leaves for NATS is well-formed, whatever is in an event."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraisier.domain.event import EVENT_TYPES
from fraisier.domain.notice import Notice
from fraisier.nats.encoding import message_of
from fraisier.nats.subjects import (
    FAMILIES,
    dead_letter_of,
    family_of,
    is_token,
    stream_of,
    subject_of,
    subjects_of,
)

WELL_FORMED = re.compile(r"fraisier(\.[A-Za-z0-9_-]{1,64}){2,}")


def a_notice(**more: object) -> Notice:
    """Return an event of a deployment."""
    plain = {
        "event_id": "evt_1",
        "event_type": "log.line",
        "stream_id": "dep_1",
        "sequence": 7,
        "at": 1_700_000_000_123_456,
        "host": "web-1",
        "data": {"text": "hello"},
    }
    return Notice(**{**plain, **more})  # type: ignore[arg-type]


def test_each_family_has_its_stream_and_each_event_type_its_family() -> None:
    assert FAMILIES == ("audit", "deployment", "health_check", "log", "metrics", "runner")
    assert stream_of("health_check") == "FRAISIER_HEALTH_CHECK"
    assert subjects_of("log") == "fraisier.log.>"
    for name in EVENT_TYPES:
        assert family_of(name) in FAMILIES
    with pytest.raises(ValueError, match="no stream"):
        family_of("wakeup.x")


def test_a_subject_is_the_type_and_the_region() -> None:
    assert subject_of("deployment.started", "us-east-1") == "fraisier.deployment.started.us-east-1"
    assert subject_of("deployment.started", "eu.west") == "fraisier.deployment.started.eu_west"
    assert subject_of("deployment.started", "") == "fraisier.deployment.started.default"
    assert subject_of("deployment.started", None) == "fraisier.deployment.started.default"


@given(st.text(), st.text())
def test_nothing_in_an_event_breaks_out_of_its_subject(kind: str, region: str) -> None:
    assert WELL_FORMED.fullmatch(subject_of(f"audit.{kind}", region))
    assert WELL_FORMED.fullmatch(dead_letter_of(region))


@pytest.mark.parametrize("name", ["", "a.b", "a b", "*", ">", "a\r\nPUB x", "é", "x" * 65])
def test_what_is_no_word_of_a_subject_is_no_name(name: str) -> None:
    assert not is_token(name)


@given(st.text(min_size=1), st.text(), st.text())
def test_headers_are_plain_whatever_is_in_an_event(event_id: str, fraise: str, env: str) -> None:
    notice = a_notice(event_id=event_id, fraise=fraise, environment=env)
    headers = message_of(notice, "ins_1", 2**20).headers
    for name, value in headers.items():
        if name.startswith("ce-"):
            assert re.fullmatch(r"[\x21-\x7e]+", value), (name, value)
    assert headers["ce-specversion"] == "1.0"


@given(
    st.dictionaries(
        st.text(max_size=30),
        st.one_of(st.text(max_size=9000), st.integers(), st.lists(st.text(max_size=50))),
        max_size=20,
    )
)
def test_a_message_is_never_larger_than_the_server_takes(data: dict[str, object]) -> None:
    message = message_of(a_notice(data=data), "ins_1", 12_000)
    size = len(message.body) + sum(len(k) + len(v) + 4 for k, v in message.headers.items())
    assert size <= 12_000
    told = json.loads(message.body)["data"]
    cut = "truncated" in told and "truncated" not in data
    assert cut or {k: told[k] for k in data if k not in told} == {}
    assert told["host"] == "web-1"


def test_a_lone_surrogate_does_not_stop_a_stream() -> None:
    body = message_of(a_notice(data={"text": "a\ud800b"}), "ins_1", 2**20).body
    assert json.loads(body)["data"]["text"] == "a?b"
