"""Amounts with a unit, as people write them: 256MiB, 12h."""

from __future__ import annotations

import re
from collections.abc import Mapping

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
BYTES = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def amount(text: str, units: Mapping[str, int]) -> int | None:
    """Return how much a whole number with a unit is; None where it is none."""
    found = re.fullmatch(r"([0-9]{1,15})([A-Za-z]{0,3})", text)
    return int(found[1]) * units[found[2]] if found and found[2] in units else None
