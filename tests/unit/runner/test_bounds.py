"""An event leaves a run with a bound, whatever a task has printed; what is missing is marked."""

from __future__ import annotations

import json

from fraisier.runner.bounds import LINE, TEXT, bounded


def event(**result: object) -> dict[str, object]:
    """Return an event with the result of a task."""
    data = {"host": "web-1", "task": "t", "task_action": "x", "res": result}
    return {"event": "runner_on_ok", "event_data": data, "stdout": ""}


def test_an_ordinary_event_is_left_as_it_is() -> None:
    assert json.loads(bounded(event(changed=True))) == event(changed=True)


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    """I17: nothing is left out silently."""
    said = json.loads(bounded(event(log=[{"text": "a" * TEXT + "b" * 7}])))
    text = said["event_data"]["res"]["log"][0]["text"]
    assert text.startswith("aaa")
    assert text.endswith("bbbbbbb")
    assert "[... 7 characters left out ...]" in text


def test_a_result_that_is_too_long_is_left_out_and_its_verdict_is_not() -> None:
    """I17: whose it is, and whether it changed something, is still told."""
    line = bounded(event(changed=True, results=["x" * TEXT] * (LINE // TEXT + 1)))
    assert len(line) < 1000
    data = json.loads(line)["event_data"]
    assert (data["host"], data["res"]["changed"]) == ("web-1", True)
    assert "left out" in data["res"]["msg"]
