"""One event as one line of JSON of a size that can be borne, whatever a task has printed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

#: So many characters of each text are kept, half from its beginning and half from its end.
TEXT = 1 << 17
#: A longer event loses the result of its task, but for what is short of it.
LINE = 1 << 23
SHORT = 1 << 10
KEPT = ("host", "play", "task", "task_action", "resolved_action", "ignore_errors", "duration")


def bounded(event: Mapping[str, Any]) -> str:
    """Return the event as JSON; what is left out is marked."""
    try:
        line = json.dumps(event)
        if len(line) <= TEXT:
            return line
        line = json.dumps(_cut(event))
    except RecursionError:
        return json.dumps(_without_result(event, "it is nested too deep"))
    long = f"{len(line)} characters"
    return line if len(line) <= LINE else json.dumps(_without_result(event, long))


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > TEXT:
        half, gone = TEXT // 2, len(value) - TEXT
        return f"{value[:half]}\n[... {gone} characters left out ...]\n{value[-half:]}"
    if isinstance(value, Mapping):
        return {key: _cut(item) for key, item in value.items()}
    return [_cut(item) for item in value] if isinstance(value, list | tuple) else value


def _without_result(event: Mapping[str, Any], why: str) -> dict[str, Any]:
    """Return the event with the short parts of its result alone."""
    data = event.get("event_data") or {}
    said = f"[the result was left out: {why}]"
    result = {key: value for key, value in (data.get("res") or {}).items() if _is_short(value)}
    kept = {key: _cut(data[key]) for key in KEPT if key in data}
    return {"event": event.get("event"), "event_data": {**kept, "res": {**result, "msg": said}}}


def _is_short(value: Any) -> bool:
    try:
        return len(json.dumps(value)) <= SHORT
    except RecursionError:
        return False
