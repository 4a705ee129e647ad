"""An event as a subscriber gets it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

#: What every event says, as text; what it says besides may be missing.
_TEXTS = ("event_type", "event_id", "timestamp")


class NotAnEvent(ValueError):
    """A message on our subjects that is no event of Fraisier's."""


@dataclass(frozen=True)
class Event:
    """What happened. `data` holds what the event's type promises, and `service` again.

    `sequence` counts from 1 without a gap within its deployment, over all streams; `timestamp` is
    RFC 3339 in UTC. `stream` and `stream_sequence` say where the message is: replay goes on there.
    """

    event_type: str
    event_id: str
    timestamp: str
    data: Mapping[str, Any]
    sequence: int = 0
    deployment_id: str | None = None
    service: str | None = None
    fraise: str | None = None
    environment: str | None = None
    version: str | None = None
    strategy: str | None = None
    region: str | None = None
    trace_id: str | None = None
    source: str | None = None
    stream: str = ""
    stream_sequence: int = 0

    @classmethod
    def read(cls, body: bytes, stream: str = "", stream_sequence: int = 0) -> Event:
        """Return the event in a message's body; raise NotAnEvent."""
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise NotAnEvent("it is not JSON") from error
        if not isinstance(found, dict):
            raise NotAnEvent("it is no JSON object")
        for name in _TEXTS:
            if not isinstance(found.get(name), str):
                raise NotAnEvent(f'"{name}" is missing')
        if not isinstance(found.get("data"), dict):
            raise NotAnEvent('"data" is no object')
        names = {field.name for field in fields(cls)}
        known = {name: value for name, value in found.items() if name in names}
        event = cls(**{**known, "stream": stream, "stream_sequence": stream_sequence})
        event._check()
        return event

    @property
    def moment(self) -> datetime:
        """Return when it happened."""
        return datetime.fromisoformat(self.timestamp)

    def _check(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "str | None" and not isinstance(value, str | None):
                raise NotAnEvent(f'"{field.name}" is no text')
        if not isinstance(self.sequence, int):
            raise NotAnEvent('"sequence" is no number')
        try:
            zoned = self.moment.tzinfo is not None
        except ValueError:
            zoned = False
        if not zoned:
            raise NotAnEvent('"timestamp" is no moment')
