"""`fraisier queue`: the same alone and with a server, and what it says to people."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from fraisier.cli import queue as module
from fraisier.cli.client import RemoteControl
from fraisier.cli.context import Context
from fraisier.cli.queue import queue
from fraisier.cli.transport import Transport
from fraisier.domain.errors import ServerError
from support.stub import Asked, Reply, serving

AT = "2026-11-23T16:04:05.000Z"
PAUSE = {"by": "cli:me", "reason": "the database moves", "at": AT}
WORKER = {
    "id": "wrk_1", "name": "one", "kind": "worker", "labels": {"region": "eu"}, "at_once": 4,
    "version": "0.1.0", "started_at": AT, "alive": True, "running": ["dep_1"],
}  # fmt: skip
DEPLOYMENT = {
    "id": "dep_1", "kind": "deploy", "fraise": "api", "environment": "production",
    "region": "default", "status": "in_progress", "version": "5" * 40, "triggered_by": "cli:me",
    "created_at": AT, "started_at": AT,
}  # fmt: skip
RUNNING = {**DEPLOYMENT, "worker": {"id": "wrk_1", "name": "one", "alive": True}}
WAITING = {
    **DEPLOYMENT, "id": "dep_2", "status": "pending", "started_at": None, "position": 1,
    "waiting_for": "dep_1 is under way", "blocked_by": "dep_1",
}  # fmt: skip
EMPTY: dict[str, Any] = {"paused": None, "queued": 0, "waiting": [], "running": [], "workers": []}
BUSY = {**EMPTY, "queued": 1, "waiting": [WAITING], "running": [RUNNING], "workers": [WORKER]}


class Scripted:
    """Control whose queue looks like this, one look after the other."""

    def __init__(self, *looks: dict[str, Any]) -> None:
        self.looks = list(looks)
        self.reasons: list[str] = []

    def queue(self) -> dict[str, Any]:
        """Return the next look; the last goes on."""
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def pause(self, reason: str) -> dict[str, Any]:
        """Remember why."""
        self.reasons.append(reason)
        return PAUSE

    def resume(self) -> dict[str, Any]:
        """Give the pause that is over."""
        return PAUSE


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.0)


def run(control: Scripted, *words: str, as_json: bool = False) -> Result:
    """Run `fraisier queue` with a control behind it."""
    context = Context(json=as_json, color=False)
    context.__dict__["control"] = control
    command: click.Command = queue
    return CliRunner().invoke(command, words, obj=context, catch_exceptions=False)


def test_the_queue_is_shown_with_and_without_the_word_status() -> None:
    shown = run(Scripted(BUSY)).stdout
    assert shown == run(Scripted(BUSY), "status").stdout
    assert shown.startswith("the queue goes on\n")
    for word in ("dep_1", "dep_2", "dep_1 is under way", "one", "region=eu", "1 of 4", "5555555"):
        assert word in shown, word


def test_an_empty_queue_says_so_and_a_pause_says_who_and_why() -> None:
    shown = run(Scripted({**EMPTY, "paused": PAUSE})).stdout
    assert "paused since 2026-11-23 16:04:05 by cli:me: the database moves" in shown
    assert "running: none" in shown
    assert "waiting (0): none" in shown
    assert "workers: none" in shown


def test_a_worker_that_is_gone_is_said_to_be() -> None:
    gone = {**RUNNING, "worker": {**RUNNING["worker"], "alive": False}}  # type: ignore[dict-item]
    assert "one (gone)" in run(Scripted({**BUSY, "running": [gone], "workers": []})).stdout


def test_as_json_it_is_what_the_views_say() -> None:
    assert json.loads(run(Scripted(BUSY), as_json=True).stdout) == BUSY
    assert json.loads(run(Scripted(BUSY), "resume", as_json=True).stdout) == PAUSE


def test_a_pause_needs_a_reason() -> None:
    control = Scripted(EMPTY)
    assert run(control, "pause").exit_code == 2
    done = run(control, "pause", "--reason", "the database moves")
    assert done.exit_code == 0
    assert "fraisier queue resume" in done.stdout
    assert control.reasons == ["the database moves"]


def test_a_drain_pauses_and_waits_until_nothing_runs() -> None:
    control = Scripted(BUSY, BUSY, EMPTY)
    done = run(control, "drain")
    assert (done.exit_code, control.reasons) == (0, ["drained"])
    assert done.stderr.count("still running: dep_1") == 1
    assert "nothing runs" in done.stdout


def test_a_drain_that_takes_too_long_ends_with_the_code_for_that() -> None:
    done = run(Scripted(BUSY), "drain", "--timeout", "0.01")
    assert done.exit_code == 7
    assert "dep_1" in done.stdout


def test_a_server_is_asked_for_the_same() -> None:
    asked: list[tuple[str, str, Any]] = []

    def answer(got: Asked) -> Reply:
        asked.append((got.method, got.path, got.body))
        return Reply(body=BUSY if got.method == "GET" else PAUSE)

    with serving(answer) as stub:
        control = RemoteControl(Transport(stub.url, "fra_x"))
        assert control.queue() == BUSY
        assert control.pause("moving") == PAUSE
        assert control.resume() == PAUSE
    assert asked == [
        ("GET", "/api/v1/queue", None),
        ("POST", "/api/v1/queue/pause", {"reason": "moving"}),
        ("POST", "/api/v1/queue/resume", {}),
    ]


def test_a_server_of_another_version_is_told_apart() -> None:
    with serving(lambda _: Reply(body={"paused": None})) as stub:
        control = RemoteControl(Transport(stub.url, "fra_x"))
        with pytest.raises(ServerError, match="no queue as this version knows it"):
            control.queue()
