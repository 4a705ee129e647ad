"""`fraisier freeze`, `unfreeze`, `freezes` and `audit`: what they ask for, and what they say."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from fraisier.cli import freeze as module
from fraisier.cli.audit import audit
from fraisier.cli.context import Context
from fraisier.cli.deploy import deploy
from fraisier.domain.audit import AuditFilter
from fraisier.domain.errors import Frozen, UsageError
from fraisier.domain.ids import now
from fraisier.engine.deployments import Wish
from fraisier.engine.freezes import FreezeWish

AT = "2026-12-24T18:00:00.000Z"
FREEZE = {
    "id": "frz_1", "state": "holds", "fraise": "api", "environment": "*", "reason": "the sale",
    "by": "cli:ana", "from": AT, "until": None,
}  # fmt: skip
ROW = {
    "id": "aud_1", "at": AT, "actor": "cli:ana", "action": "freeze", "subject": "frz_1",
    "reason": "the sale", "result": "done",
}  # fmt: skip


class Scripted:
    """Control that remembers what it was asked for."""

    alone = True

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def freezes(self, over: bool) -> list[dict[str, Any]]:
        """Give one freeze."""
        self.asked.append(over)
        return [FREEZE]

    def freeze(self, wish: FreezeWish) -> dict[str, Any]:
        """Give what was made."""
        self.asked.append(wish)
        return FREEZE

    def unfreeze(self, freeze_id: str) -> dict[str, Any]:
        """Give what was lifted."""
        self.asked.append(freeze_id)
        return FREEZE

    def audit(self, wanted: AuditFilter) -> list[dict[str, Any]]:
        """Give two rows."""
        self.asked.append(wanted)
        return [{**ROW, "result": "forbidden"}, ROW]

    def deploy(self, wish: Wish) -> dict[str, Any]:
        """Refuse."""
        self.asked.append(wish)
        raise Frozen("api production is frozen by frz_1")


def run(command: click.Command, *words: str, json_: bool = False) -> tuple[Result, Scripted]:
    """Run a command; errors of ours go on."""
    context, control = Context(json=json_, color=False), Scripted()
    context.__dict__["control"] = control
    result = CliRunner().invoke(command, words, obj=context)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result, control


def test_a_freeze_says_its_id_its_place_its_time_and_the_way_out() -> None:
    result, control = run(module.freeze, "api", "--reason", "the sale")
    assert control.asked[0].fraise == "api"
    assert (control.asked[0].environment, control.asked[0].ends_at) == (None, None)
    assert result.stdout == (
        "frz_1  api in every environment: frozen from 2026-12-24 18:00 UTC until it is lifted\n"
        "  lift it with: fraisier unfreeze frz_1\n"
    )
    assert json.loads(run(module.freeze, "--reason", "x", json_=True)[0].stdout) == FREEZE


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("2h", 7200), ("1w", 604_800)])
def test_a_time_may_be_so_long_from_now(text: str, seconds: int) -> None:
    before = now()
    found = module.moment(text) - seconds * 1_000_000
    assert before <= found <= now()


def test_a_time_may_be_written_with_its_zone_or_in_that_of_this_machine() -> None:
    noon = datetime(2026, 12, 24, 12, tzinfo=UTC)
    assert module.moment("2026-12-24T13:00+01:00") == int(noon.timestamp()) * 1_000_000
    here = time.mktime((2026, 12, 24, 12, 0, 0, 0, 0, -1))
    assert module.moment("2026-12-24T12:00") == int(here) * 1_000_000


@pytest.mark.parametrize("text", ["tomorrow", "0h", "-2h", "2026-13-01", "9999-12-31T99:00", ""])
def test_what_is_no_time_is_refused_with_ways_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="no time"):
        module.moment(text)


@pytest.mark.parametrize("reason", ["", "a\nb", "x" * 1001])
def test_a_reason_is_one_line_that_says_something(reason: str) -> None:
    with pytest.raises(UsageError, match="--reason"):
        run(module.freeze, "--reason", reason)
    with pytest.raises(UsageError, match="--break-glass"):
        run(deploy, "api", "production", "--break-glass", reason)


def test_freezes_are_listed_and_lifted() -> None:
    result, control = run(module.freezes, "--all")
    assert control.asked == [True]
    assert "frz_1  holds  api     *" in result.stdout
    result, control = run(module.unfreeze, "frz_1")
    assert control.asked == ["frz_1"]
    assert result.stdout == "frz_1 is lifted: api in every environment\n"


def test_the_reason_for_breaking_the_glass_goes_along() -> None:
    context, control = Context(color=False), Scripted()
    context.__dict__["control"] = control
    words = ("api", "production", "--break-glass", "it burns")
    result = CliRunner().invoke(deploy, words, obj=context)
    assert isinstance(result.exception, Frozen)
    assert control.asked[0].break_glass == "it burns"


def test_the_trail_is_a_table_that_shows_what_was_forbidden() -> None:
    result, control = run(audit, "--actor", "cli:ana", "--action", "freeze", "--limit", "2")
    assert control.asked == [AuditFilter("cli:ana", "freeze", None, None, 2)]
    forbidden, done = result.stdout.splitlines()[1:]
    assert "forbidden" in forbidden
    assert "done" not in done


def test_a_token_is_shown_by_its_name_and_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FREEZE, "by", "tok_1")
    monkeypatch.setitem(FREEZE, "by_name", "ci")
    monkeypatch.setitem(ROW, "actor", "tok_1")
    monkeypatch.setitem(ROW, "actor_name", "ci")
    assert "ci (tok_1)" in run(module.freezes)[0].output
    assert "ci (tok_1)" in run(audit)[0].output
