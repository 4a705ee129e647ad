"""The key `deploy_windows`: its schema, what a schema cannot say, and its domain values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from fraisier.config.grammar import mapping_of
from fraisier.config.report import Path, Report
from fraisier.domain.catalogue import Json
from fraisier.domain.errors import did_you_mean
from fraisier.domain.windows import DAYS, Window, days_of

_DAY = f"({'|'.join(DAYS)})"
_PART = f"{_DAY}(-{_DAY})?"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_CLOCK_RULE = 'a time as "09:00", in quotes'

WINDOWS: Json = {
    "description": "When deployments may begin; without it, always. Rollbacks always may.",
    "type": "array",
    "minItems": 1,
    "items": mapping_of(
        {
            "days": {
                "description": "Days of the week, such as mon-fri or sat,sun.",
                "type": "string",
                "pattern": f"^{_PART}(, ?{_PART})*$",
                "patternErrorMessage": f"days such as mon-fri or sat,sun, of {', '.join(DAYS)}",
                "default": "mon-sun",
            },
            "from": {
                "description": "When the window opens, on these days.",
                "type": "string",
                "pattern": f"^{_CLOCK}$",
                "patternErrorMessage": _CLOCK_RULE,
            },
            "to": {
                "description": "When it closes; on the next day where that is not after from. "
                '"24:00" is the end of the day.',
                "type": "string",
                "pattern": f"^({_CLOCK}|24:00)$",
                "patternErrorMessage": _CLOCK_RULE,
            },
            "timezone": {
                "description": "Whose clock it is, such as Europe/Paris; summer time is its own.",
                "type": "string",
                "default": "UTC",
            },
        },
        required=("from", "to"),
    ),
}
OUTSIDE: Json = {
    "description": "What is done with a request outside of the deploy windows: it is refused, or "
    "accepted to wait for the next one.",
    "enum": ["refuse", "wait"],
    "default": "refuse",
}


def check_windows(environment: Mapping[str, Any], path: Path, report: Report) -> None:
    """Report time zones that there are not, and windows that have no length."""
    windows = environment.get("deploy_windows")
    for at, window in enumerate(windows if isinstance(windows, list) else ()):
        if not isinstance(window, Mapping):
            continue
        where = (*path, "deploy_windows", at)
        zone = window.get("timezone", "UTC")
        if isinstance(zone, str) and zone not in (known := _zones()):
            message = f'there is no time zone "{zone}"{did_you_mean(zone, known)}'
            report.add((*where, "timezone"), message)
        if window.get("from") is not None and window.get("from") == window.get("to"):
            message = 'a window that ends when it begins has no length; a day is "00:00" to "24:00"'
            report.add((*where, "to"), message)


@cache
def _zones() -> frozenset[str]:
    """Return the time zones that this machine knows; looking for them reads its disk."""
    return frozenset(available_timezones())


def windows_of(environment: Mapping[str, Any]) -> tuple[Window, ...]:
    """Return the windows of an environment, its values filled in."""
    return tuple(
        Window(days_of(each["days"]), each["from"], each["to"], each["timezone"])
        for each in environment.get("deploy_windows") or ()
    )
