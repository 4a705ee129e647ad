"""What a webhook is sent: flat keys for simple receivers, and the whole event under `data`."""

from __future__ import annotations

import json
from typing import Any

from fraisier.domain.delivery import PING, NewDelivery
from fraisier.domain.deployment import Status
from fraisier.domain.ids import new_id
from fraisier.domain.notice import Notice

#: A body that would be larger is sent without what the event holds itself, in bytes.
LARGEST_BODY = 256 * 1024
_ENDS = frozenset(
    f"deployment.{each}" for each in ("completed", *(status.value for status in Status))
)


def webhook_body(notice: Notice, source: str) -> str:
    """Return an event as JSON text for a webhook; `source` is the installation's id."""
    whole = notice.payload(source)
    payload: dict[str, Any] = {
        "event": notice.event_type,
        "event_id": notice.event_id,
        "deployment_id": notice.deployment_id,
        "fraise": notice.fraise,
        "environment": notice.environment,
        "triggered_by": notice.triggered_by,
        "timestamp": notice.timestamp,
        **_end(notice),
        "data": whole,
    }
    text = json.dumps(payload)
    if len(text) > LARGEST_BODY:
        kept = {name: whole["data"][name] for name in whole["data"] if name not in notice.data}
        text = json.dumps({**payload, "data": {**whole, "data": {**kept, "truncated": True}}})
    return text


def is_end(notice: Notice) -> bool:
    """Return whether an event tells of the end of its deployment."""
    return notice.event_type in _ENDS


def _end(notice: Notice) -> dict[str, Any]:
    if not is_end(notice):
        return {}
    return {
        "status": notice.data.get("status"),
        "version": notice.version,
        "duration_seconds": notice.data.get("duration_seconds"),
    }


def new_delivery(notice: Notice, body: str) -> NewDelivery:
    """Return what is to be recorded of an event that goes to a receiver."""
    return NewDelivery(notice.event_id, notice.event_type, notice.stream_id, body)


def ping_notice(at: int) -> Notice:
    """Return the message of a test at a moment, in the shape of an event of no deployment."""
    event_id = new_id("evt")
    said = {"message": "This is a test of Fraisier's notifications."}
    return Notice(event_id, PING, event_id, 1, at, None, said)
