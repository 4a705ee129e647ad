"""One event as one line of JSON of a size that can be borne, whatever a task has printed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

#: So many characters of each text are kept, half from its beginning and half from its end.
TEXT = 1 << 17
#: A longer event loses the result of its task.
LINE = 1 << 23
KEPT = ("host", "play", "task", "task_action", "resolved_action", "ignore_errors", "duration")


def bounded(event: Mapping[str, Any]) -> str:
    """Return the event as JSON; what is left out is marked."""
    line = json.dumps(event)
    if len(line) <= TEXT:
        return line
    line = json.dumps(_cut(event))
    return line if len(line) <= LINE else json.dumps(_without_result(event, len(line)))


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > TEXT:
        half, gone = TEXT // 2, len(value) - TEXT
        return f"{value[:half]}\n[... {gone} characters left out ...]\n{value[-half:]}"
    if isinstance(value, Mapping):
        return {key: _cut(item) for key, item in value.items()}
    return [_cut(item) for item in value] if isinstance(value, list | tuple) else value


def _without_result(event: Mapping[str, Any], size: int) -> dict[str, Any]:
    data = event.get("event_data") or {}
    said = f"[the result was left out: {size} characters]"
    result = {
        key: value
        for key, value in (data.get("res") or {}).items()
        if value is None or isinstance(value, bool | int | float)
    }
    kept = {key: _cut(data[key]) for key in KEPT if key in data}
    return {"event": event.get("event"), "event_data": {**kept, "res": {**result, "msg": said}}}
