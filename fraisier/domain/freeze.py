"""Freezes and deploy windows: whether a deployment may begin now, and who may go past. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Protocol

from fraisier.domain.catalogue import Target
from fraisier.domain.errors import Frozen, OutsideWindow, Refused
from fraisier.domain.windows import is_open, next_opening

#: The fraise or the environment of a freeze that means all of them.
ALL = "*"


@dataclass(frozen=True)
class NewFreeze:
    """A wish that nothing begins on some targets. `fraise` is a pattern; times are microseconds.

    It holds from `starts_at`, and until `ends_at` or, where that is None, until it is lifted.
    """

    fraise: str
    environment: str
    reason: str
    by: str
    starts_at: int
    ends_at: int | None = None

    def covers(self, fraise: str, environment: str) -> bool:
        """Return whether a target is among those that it is about."""
        return fnmatchcase(fraise, self.fraise) and self.environment in (ALL, environment)


@dataclass(frozen=True, kw_only=True)
class Freeze(NewFreeze):
    """A freeze as recorded; `lifted_at` is None while nobody has lifted it.

    `by_name` and `lifted_by_name` are the names of tokens, None where it was no token.
    """

    id: str
    created_at: int
    lifted_at: int | None = None
    lifted_by: str | None = None
    by_name: str | None = None
    lifted_by_name: str | None = None

    def over(self, moment: int) -> bool:
        """Return whether it can hold nothing any more at a moment."""
        return self.lifted_at is not None or (self.ends_at is not None and self.ends_at <= moment)

    def holds(self, moment: int) -> bool:
        """Return whether it is in force at a moment."""
        return self.starts_at <= moment and not self.over(moment)


@dataclass(frozen=True)
class Stopped:
    """What keeps a deployment from beginning. `freeze` is None where it is the deploy windows.

    `until` is when that ends, in microseconds, where it is known. `waits`: it may be asked for all
    the same, and begins then.
    """

    reason: str
    until: int | None = None
    freeze: str | None = None
    waits: bool = False

    def refusal(self) -> Refused:
        """Return the error of a request that is not even to wait."""
        if self.freeze is not None:
            return Frozen(
                self.reason,
                f"wait, or lift it: fraisier unfreeze {self.freeze}; in an emergency --break-glass "
                "REASON goes past it, and a rollback is always possible",
            )
        return OutsideWindow(
            self.reason,
            "wait for the window; in an emergency --break-glass REASON goes past it, and a "
            "rollback is always possible",
        )


class FreezeStore(Protocol):
    """The records of freezes. Each method is one transaction."""

    def now(self) -> int:
        """Return the time by the database's clock, in UTC microseconds."""

    def add_freeze(self, new: NewFreeze) -> Freeze:
        """Record a freeze and return it."""

    def lift_freeze(self, freeze_id: str, by: str) -> Freeze:
        """End a freeze, for good; raise FreezeNotFound, or Refused where it is over already."""

    def freezes(self, over: bool = False) -> list[Freeze]:
        """Return those that hold or will hold, newest first; with `over` all of them."""


def goes_past(kind: str, options: Mapping[str, Any]) -> bool:
    """Return whether nothing of this can stop a deployment: a way back, or the glass is broken."""
    return kind == "rollback" or bool(options.get("break_glass"))


def stop_of(target: Target, freezes: Sequence[Freeze], moment: int) -> Stopped | None:
    """Return what keeps a deployment to a target from beginning at a moment, if anything does."""
    name = f"{target.fraise} {target.environment}"
    holding = [each for each in freezes if each.holds(moment)]
    mine = [each for each in holding if each.covers(target.fraise, target.environment)]
    if mine:
        last = max(mine, key=_end)
        until = f"until {said(last.ends_at)}" if last.ends_at is not None else "until it is lifted"
        reason = f"{name} is frozen by {last.id} {until}: {last.reason} ({last.by_name or last.by})"
        return Stopped(reason, last.ends_at, last.id)
    if is_open(target.deploy_windows, moment):
        return None
    opens = next_opening(target.deploy_windows, moment)
    when = f"; the next one opens at {said(opens)}" if opens is not None else ""
    windows = "; ".join(str(each) for each in target.deploy_windows)
    reason = f"{name} is outside of its deploy windows ({windows}){when}"
    return Stopped(reason, opens, waits=target.outside_windows == "wait")


def said(microseconds: int) -> str:
    """Return a moment as sentences name it, in UTC."""
    return f"{datetime.fromtimestamp(microseconds / 1e6, UTC):%Y-%m-%d %H:%M} UTC"


def _end(freeze: Freeze) -> float:
    return float("inf") if freeze.ends_at is None else freeze.ends_at
