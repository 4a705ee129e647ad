"""Freezes: nothing begins on some targets, for a time or until they are lifted."""

from __future__ import annotations

import re
from datetime import datetime

import click

from fraisier.cli.arguments import LONGEST, optional_target
from fraisier.cli.context import Context, table
from fraisier.cli.control import Json, who
from fraisier.cli.present import named
from fraisier.domain.errors import UsageError
from fraisier.domain.ids import now
from fraisier.engine.freezes import FreezeWish

#: Seconds of a unit that a length of time is written in.
UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SECOND = 1_000_000


@click.command()
@optional_target
@click.option("--reason", required=True, metavar="TEXT", help="Why, for those who are refused.")
@click.option("--from", "begins", metavar="TIME",
              help="When it begins: 2026-12-24T18:00, or in 2h, 3d; default: now.")  # fmt: skip
@click.option("--until", "ends", metavar="TIME",
              help="When it ends, written like --from; default: when it is lifted.")  # fmt: skip
@click.pass_obj
def freeze(
    context: Context,
    fraise: str | None,
    environment: str | None,
    reason: str,
    begins: str | None,
    ends: str | None,
) -> None:
    """Let nothing begin on FRAISE in ENVIRONMENT, or on all where they are left out.

    FRAISE may be a pattern such as 'api-*', and '*' is every fraise. Rollbacks stay possible, and
    what runs goes on.
    """
    if not reason.isprintable() or not 0 < len(reason) <= LONGEST:
        raise UsageError(f"--reason needs 1 to {LONGEST} printable characters")
    starts_at, ends_at = (moment(each) if each else None for each in (begins, ends))
    found = context.control.freeze(
        FreezeWish(reason, who(), fraise, environment, starts_at, ends_at)
    )
    until = f"until {_time(found['until'])}" if found["until"] else "until it is lifted"
    context.emit(
        found,
        f"{found['id']}  {_where(found)}: frozen from {_time(found['from'])} {until}\n"
        f"  lift it with: fraisier unfreeze {found['id']}",
    )


@click.command()
@click.argument("freeze_id", metavar="ID")
@click.pass_obj
def unfreeze(context: Context, freeze_id: str) -> None:
    """Lift a freeze; what waited for its end goes on."""
    found = context.control.unfreeze(freeze_id)
    context.emit(found, f"{found['id']} is lifted: {_where(found)}")


@click.command()
@click.option("--all", "over", is_flag=True, help="Also those that ended or were lifted.")
@click.pass_obj
def freezes(context: Context, over: bool) -> None:
    """List the freezes that hold or will hold, newest first."""
    found = context.control.freezes(over)
    columns = ("id", "state", "fraise", "environment", "from", "until", "by", "reason")
    context.emit({"freezes": found}, table([_row(each) for each in found], columns))


def moment(text: str) -> int:
    """Return a time, or one so long from now, as UTC microseconds; raise UsageError.

    A time without a zone is one of this machine's own.
    """
    ahead = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", text)
    if ahead:
        return now() + int(ahead[1]) * UNITS[ahead[2]] * _SECOND
    try:
        return int(datetime.fromisoformat(text).timestamp() * _SECOND)
    except (ValueError, OverflowError, OSError):
        hint = "write 2026-12-24T18:00, 2026-12-24T18:00+01:00, 2026-12-24, or 2h, 3d from now"
        raise UsageError(f'"{text}" is no time', hint) from None


def _row(found: Json) -> Json:
    by = named(found["by"], found.get("by_name"))
    return {**found, "from": _time(found["from"]), "until": _time(found["until"]), "by": by}


def _where(found: Json) -> str:
    fraise = "every fraise" if found["fraise"] == "*" else found["fraise"]
    environment = "every environment" if found["environment"] == "*" else found["environment"]
    return f"{fraise} in {environment}"


def _time(text: str | None) -> str:
    return f"{text[:16].replace('T', ' ')} UTC" if text else "-"
