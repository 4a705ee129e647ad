"""What commands say and how they end, whoever stands behind them."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from fraisier.cli import control as controls
from fraisier.cli.arguments import _environments, _fraises
from fraisier.cli.cancel import cancel
from fraisier.cli.context import Context
from fraisier.cli.control import Feed, NoFeed, Watch, follow
from fraisier.cli.deploy import deploy, rollback, unlock
from fraisier.cli.logs import logs
from fraisier.cli.look import events, history, list_, show, status
from fraisier.cli.plan import plan
from fraisier.cli.resume import resume
from fraisier.cli.steps import planned
from fraisier.domain.deployment import Status
from fraisier.domain.errors import (
    FraiseNotFound,
    FraisierError,
    RateLimited,
    StoreError,
    Unavailable,
    Unreachable,
)
from fraisier.domain.ports import Filter
from fraisier.engine.deployments import Wish
from support import samples
from support.samples import ID


class Scripted:
    """Control whose deployment goes through these states, one at each look."""

    def __init__(self, alone: bool, *states: Status) -> None:
        self.alone = alone
        self.states = list(states) or [Status.SUCCESS]
        self.log = [samples.event(1, "deployment.queued")]
        self.wishes: list[Wish] = []
        self.planned = samples.plan()
        self.blocker: str | None = None

    def targets(self) -> list[dict[str, Any]]:
        return [samples.target()]

    def status(self, fraise: str | None, environment: str | None) -> list[dict[str, Any]]:
        return [samples.status()]

    def deployments(self, wanted: Filter) -> list[dict[str, Any]]:
        return [samples.deployment()]

    def deployment(self, deployment_id: str) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {**samples.details(state), "waiting_for": self.blocker}

    def events(self, deployment_id: str, after: int = 0) -> list[dict[str, Any]]:
        return [event for event in self.log if event["sequence"] > after]

    def plan(self, wish: Wish) -> dict[str, Any]:
        self.wishes.append(wish)
        return self.planned

    def deploy(self, wish: Wish) -> dict[str, Any]:
        self.wishes.append(wish)
        return samples.deployment(Status.PENDING)

    rollback = deploy

    def cancel(self, deployment_id: str) -> dict[str, Any]:
        return samples.deployment(self.states[0])

    def go_on(self, deployment_id: str) -> dict[str, Any]:
        return samples.deployment(self.states[0])

    def unlock(self, fraise: str, environment: str, reason: str) -> str:
        return ID

    def feed(self, deployment_id: str) -> Feed:
        return NoFeed()

    def carry_out(
        self, deployment_id: str, watch: Watch, stop: Callable[[], bool]
    ) -> dict[str, Any]:
        return follow(self, deployment_id, watch, stop)  # type: ignore[arg-type]


def run(command: click.Command, control: Scripted, *words: str, as_json: bool = False) -> Result:
    """Run a command with a control behind it."""
    context = Context(json=as_json, color=False)
    context.__dict__["control"] = control
    return CliRunner().invoke(command, words, obj=context, catch_exceptions=False)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "POLL_SECONDS", 0.0)


TARGET = ("api", "production")


def test_alone_a_command_stays_to_the_end() -> None:
    done = run(deploy, Scripted(True, Status.PENDING, Status.IN_PROGRESS, Status.SUCCESS), *TARGET)
    assert done.exit_code == 0
    assert "dep_1  api → production  5555555 (main), rolling over 2 hosts" in done.stderr
    assert done.stdout == "success  api production 5555555 serves (2.5 s)\n"


def test_with_a_server_a_command_says_how_to_follow_and_ends() -> None:
    done = run(deploy, Scripted(False, Status.FAILED), *TARGET)
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "dep_1  pending  api production", "  follow it with: fraisier logs dep_1 --follow",
    ]  # fmt: skip


@pytest.mark.parametrize("option", [["--wait"], ["--follow"], ["--timeout", "60"]])
@pytest.mark.parametrize(("end", "code"), [(Status.SUCCESS, 0), (Status.ROLLED_BACK, 5)])
def test_with_a_server_a_command_waits_when_asked_to(
    option: list[str], end: Status, code: int
) -> None:
    alone = run(deploy, Scripted(True, Status.IN_PROGRESS, end), *TARGET)
    remote = run(deploy, Scripted(False, Status.IN_PROGRESS, end), *TARGET, *option)
    assert (remote.exit_code, remote.stdout) == (code, alone.stdout)
    assert remote.stderr == alone.stderr


def test_output_of_the_build_is_shown_to_who_follows() -> None:
    control = Scripted(False, Status.SUCCESS)
    control.log.append(samples.event(2, "log.line", "web-1", step="build", text="a\x1b[2J\nb"))
    assert "a\\x1b[2J\n      b\n" in run(deploy, control, *TARGET, "--follow").stderr
    assert "\n      b" not in run(deploy, control, *TARGET, "--wait").stderr


def test_what_a_deployment_waits_for_is_said_once() -> None:
    control = Scripted(False, Status.PENDING, Status.PENDING, Status.SUCCESS)
    control.blocker = "dep_0"
    assert run(deploy, control, *TARGET, "--wait").stderr.count("waiting: dep_0") == 1


def test_a_wait_that_is_over_leaves_the_deployment_to_the_server() -> None:
    done = run(deploy, Scripted(False, Status.IN_PROGRESS), *TARGET, "--timeout", "0.05")
    assert done.exit_code == 7
    assert "in_progress  api production" in done.stdout
    assert "it goes on; to stop it: fraisier cancel dep_1" in done.stderr


def test_ctrl_c_ends_the_waiting_and_not_the_deployment() -> None:
    control = Scripted(False, Status.IN_PROGRESS)
    look = control.deployment

    def interrupted(deployment_id: str) -> dict[str, Any]:
        signal.raise_signal(signal.SIGINT)
        return look(deployment_id)

    control.deployment = interrupted  # type: ignore[method-assign]
    done = run(deploy, control, *TARGET, "--wait")
    assert done.exit_code == 7
    assert "no longer waiting" in done.stderr
    assert "fraisier cancel dep_1" in done.stderr


def test_a_deployment_that_time_cancelled_ends_with_seven_and_another_as_it_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fraisier.cli.stopping.time.monotonic", iter(range(9)).__next__)
    for end, code in ((Status.CANCELLED, 7), (Status.ROLLED_BACK, 5)):
        control = Scripted(True, Status.IN_PROGRESS, end)

        def worked(_: str, __: Watch, stop: Callable[[], bool], end: Status = end) -> Any:
            assert stop()
            return samples.details(end)

        control.carry_out = worked  # type: ignore[assignment]
        assert run(deploy, control, *TARGET, "--timeout", "0.5").exit_code == code


def test_a_server_may_be_away_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    control = Scripted(False, Status.SUCCESS)
    look, away = control.deployment, [Unreachable("no answer"), Unreachable("no answer")]

    def sometimes(deployment_id: str) -> dict[str, Any]:
        if away:
            raise away.pop()
        return look(deployment_id)

    control.deployment = sometimes  # type: ignore[method-assign]
    done = run(deploy, control, *TARGET, "--wait")
    assert done.exit_code == 0
    assert done.stderr.count("no answer; asking again") == 1
    monkeypatch.setattr(controls, "OUTAGE_SECONDS", 0.0)
    away.append(Unreachable("no answer"))
    with pytest.raises(Unreachable):
        run(deploy, control, *TARGET, "--wait")


@pytest.mark.parametrize(
    "error", [Unavailable("it is stopping"), StoreError("no disk"), RateLimited("too many")]
)
def test_what_passes_does_not_end_the_following_once_it_has_begun(
    error: FraisierError, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(controls.time, "sleep", pauses.append)
    control = Scripted(False, Status.IN_PROGRESS, Status.SUCCESS)
    look, answers = control.deployment, iter([None, error, error, None])

    def sometimes(deployment_id: str) -> dict[str, Any]:
        if wrong := next(answers):
            raise wrong
        return look(deployment_id)

    control.deployment = sometimes  # type: ignore[method-assign]
    done = run(deploy, control, *TARGET, "--wait")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count(f"{error.message}; asking again") == 1
    again = controls.LIMITED_SECONDS if isinstance(error, RateLimited) else controls.POLL_SECONDS
    assert pauses == pytest.approx([controls.POLL_SECONDS, again, again], abs=0.5)
    answers = iter([error])
    with pytest.raises(type(error)):
        run(deploy, control, *TARGET, "--wait")


def test_what_is_asked_for_is_what_was_typed() -> None:
    control = Scripted(False)
    words = "--version v1 --strategy rolling --health-check-delay 3 --force --idempotency-key k"
    run(deploy, control, *TARGET, *words.split())
    run(rollback, control, *TARGET, "--to-version", "abcd", "--reason", "slow")
    asked, back = control.wishes
    plain = replace(asked, triggered_by="")
    assert plain == Wish("api", "production", "", "v1", "rolling", 3.0, True, "k")
    assert (back.version, back.reason) == ("abcd", "slow")


def test_a_plan_shows_each_host_its_differences_and_what_nobody_knows() -> None:
    done = run(plan, Scripted(False), *TARGET)
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "api → production  5555555 (main)",
        "  1. deploy web-1, web-2",
        "✓ web-1  4444444 → 5555555",
        "  --- unit",
        "  +++ unit",
        "  @@ -1,2 +1,2 @@",
        "   a",
        "  -b",
        "  +c",
        "  + prepared line",
        "  not known before it is done:",
        "    build: commands run only in a deployment",
        "✓ web-2  4444444; nothing to change",
        "1 of 2 hosts would change; nothing was changed",
    ]


def test_a_dry_run_is_the_plan_and_asks_for_nothing_else() -> None:
    control = Scripted(True)
    dry = run(deploy, control, *TARGET, "--dry-run", "--version", "x", as_json=True)
    assert json.loads(dry.stdout) == samples.plan()
    assert [wish.version for wish in control.wishes] == ["x"]
    assert dry.stderr == ""


def test_a_plan_that_a_host_would_refuse_ends_with_five() -> None:
    control = Scripted(False)
    error = {"code": "unit_missing", "message": "there is no unit", "hint": "give exec"}
    host = {**samples.plan()["hosts"][0], "state": "failed", "error": error, "diff": []}
    control.planned = samples.plan(hosts=[host], ok=False, would_change=False)
    done = run(plan, control, *TARGET)
    assert done.exit_code == 5
    assert "✗ web-1  there is no unit\n    give exec\n" in done.stdout
    assert done.stdout.endswith("would be refused; nothing was changed\n")


@pytest.mark.parametrize(
    ("state", "said"), [(Status.CANCELLED, "is cancelled"), (Status.IN_PROGRESS, "asked to stop")]
)
def test_cancelling_says_what_came_of_it(state: Status, said: str) -> None:
    done = run(cancel, Scripted(False, state), ID)
    assert done.exit_code == 0
    assert said in done.stdout


def test_resuming_says_that_it_goes_on() -> None:
    done = run(resume, Scripted(False, Status.IN_PROGRESS), ID)
    assert (done.exit_code, done.stdout) == (
        0, f"{ID} goes on; how far it is: fraisier show {ID}\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "args", "said"),
    [
        ("deploy", {}, "deploy a, b"),
        ("drain", {"servers": ["web-1"]}, "drain web-1 at a, b: no new requests"),
        ("undrain", {"servers": ["web-1"]}, "undrain web-1 at a, b: requests again"),
        ("stage", {}, "stage a, b: up beside what serves, without requests"),
        (
            "shift",
            {"weight": 10, "seconds": 90, "analysis": [{}]},
            "shift 10 % of the requests on a, b, for 1 min 30 s, 1 measurement",
        ),
        (
            "shift",
            {"weight": 10, "seconds": 0, "analysis": [], "hold": True},
            "shift 10 % of the requests on a, b, then wait for fraisier resume",
        ),
        ("promote", {}, "promote a, b: all requests"),
    ],
)
def test_a_plan_tells_each_step_in_words(verb: str, args: dict[str, Any], said: str) -> None:
    assert planned({"verb": verb, "hosts": ["a", "b"], "args": args}) == said


def test_a_canary_is_told_as_it_goes() -> None:
    control = Scripted(True, Status.IN_PROGRESS, Status.SUCCESS)
    green = {"id": "r2", "version": "5" * 40, "colour": "green"}
    live = {"id": "r1", "version": "4" * 40}
    control.log += [
        samples.event(2, "deployment.host_completed", "web-1", verb="stage", state="ok",
                      staged=green, release=live, changed=True),
        samples.event(3, "deployment.step", verb="shift", hosts=["web-1"], weight=10, seconds=0),
        samples.event(4, "deployment.host_completed", "web-1", verb="shift", state="ok",
                      verdict="inconclusive", staged=green, release=live),
        samples.event(5, "deployment.paused", weight=10, why="nobody knows"),
        samples.event(6, "deployment.resumed", weight=10, by="tok_1"),
    ]  # fmt: skip
    done = run(deploy, control, *TARGET)
    assert "web-1  5555555 is staged as green" in done.stderr
    assert "shift 10 % of the requests on web-1" in done.stderr
    assert "web-1  measured: inconclusive" in done.stderr
    assert "paused at 10 %: nobody knows\n      go on: fraisier resume dep_1" in done.stderr
    assert "it goes on, as tok_1 wished" in done.stderr


def test_a_paused_deployment_is_shown_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    control = Scripted(False)
    paused = samples.deployment(Status.IN_PROGRESS, paused_at=1)
    monkeypatch.setattr(
        control, "status", lambda *_: [{**samples.status(), "last_deployment": paused}]
    )
    assert "in_progress (paused; see fraisier resume)" in run(status, control).stdout
    details = samples.details(Status.IN_PROGRESS, paused_at=1)
    monkeypatch.setattr(control, "deployment", lambda _id: details)
    assert "paused: True" in run(show, control, ID).stdout


def test_lines_are_printed_as_they_come_and_once() -> None:
    control = Scripted(False, Status.IN_PROGRESS, Status.IN_PROGRESS, Status.FAILED)
    control.log.append(samples.event(2, "log.line", None, step="git", text="one\ntwo"))
    followed = run(logs, control, ID, "--follow")
    assert followed.stdout == "here git: one\nhere git: two\n"
    assert run(logs, control, ID).stdout == followed.stdout
    control.states = [Status.FAILED]
    lines = run(logs, control, ID, "--follow", as_json=True).stdout.splitlines()
    assert [json.loads(line)["data"]["text"] for line in lines] == ["one\ntwo"]


@pytest.mark.parametrize(
    ("blocked", "said"),
    [
        (None, "v1 of staging comes by itself"),
        ("it is held\x1b[31m", "v1 of staging does not come by itself: it is held"),
    ],
)
def test_status_says_what_comes_by_itself(blocked: str | None, said: str) -> None:
    control = Scripted(False)
    coming = {"deployment": "dep_1", "version": "v1", "source": "staging", "blocked": blocked}
    control.status = lambda *_: [{**samples.status(), "promotion": coming}]  # type: ignore[method-assign]
    done = run(status, control)
    assert said in done.stdout
    assert "\x1b[31m" not in done.stdout


def test_a_watched_status_is_shown_again_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    control, looks = Scripted(False), [None, None, "dep_9"]

    def changing(*_: object) -> list[dict[str, Any]]:
        if not looks:
            raise KeyboardInterrupt
        return [{**samples.status(), "held_by": looks.pop(0)}]

    control.status = changing  # type: ignore[method-assign]
    monkeypatch.setattr("fraisier.cli.look.WATCH_SECONDS", 0.0)
    done = run(status, control, "--watch", as_json=True)
    assert done.exit_code == 0
    shown = [json.loads(line)["targets"][0]["held_by"] for line in done.stdout.splitlines()]
    assert shown == [None, "dep_9"]


@pytest.mark.parametrize(
    ("command", "words", "said"),
    [
        (list_, (), "api     production   api   bare_metal  rolling   web-1"),
        (status, (), "api production: dep_1 success"),
        (history, (), "dep_1  api production  deploy  success  5555555  1970-01-01 00:00:01"),
        (show, (ID,), "targets: web-1, web-2"),
        (show, (ID,), "web-2: failed\n  release -, before -\n  it broke\n  mend it"),
        (events, (ID,), "1         00:00:01.000  deployment.queued"),
        (unlock, (*TARGET, "--reason", "x"), "released; dep_1 had held it"),
    ],
)
def test_looking_is_put_in_words(command: click.Command, words: Sequence[str], said: str) -> None:
    done = run(command, Scripted(False), *words)
    assert done.exit_code == 0
    assert said in done.stdout


def test_names_are_completed_from_what_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    root = click.Context(click.Command("fraisier"), info_name="fraisier")
    inner = click.Context(deploy, parent=root, info_name="deploy")
    inner.params["fraise"] = "api"
    monkeypatch.setattr(Context, "control", Scripted(False))
    assert [item.value for item in _fraises(inner, deploy.params[0], "a")] == ["api"]
    assert [item.value for item in _fraises(inner, deploy.params[0], "b")] == []
    assert [item.value for item in _environments(inner, deploy.params[1], "")] == ["production"]


def test_completion_is_silent_where_nobody_can_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Context) -> None:
        raise FraiseNotFound("no")

    monkeypatch.setattr(Context, "control", property(broken))
    root = click.Context(click.Command("fraisier"), info_name="fraisier")
    assert _fraises(root, deploy.params[0], "") == []
