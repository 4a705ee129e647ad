"""When a delivery is tried again, and when a receiver is given up. Pure."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

MICROSECONDS = 1_000_000
#: Seconds between attempts: after the first failure, the second, and so on.
DELAYS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: By how much a delay is shortened or lengthened at most, so that not all come back at once.
JITTER = 0.1
LONGEST_RETRY_AFTER = 86_400.0
#: A receiver that did nothing but fail for so long is disabled.
PATIENCE_DAYS = 5
_DAY = 86_400 * MICROSECONDS


def next_delay(failures: int, chance: float, retry_after: float | None = None) -> float | None:
    """Return the seconds until the next attempt after so many failures; None where that was all.

    `chance` is between 0 and 1. What the receiver asks for is waited for, a day at most.
    """
    if not 0 < failures <= len(DELAYS):
        return None
    delay = DELAYS[failures - 1] * (1 - JITTER + 2 * JITTER * chance)
    return max(delay, min(retry_after or 0.0, LONGEST_RETRY_AFTER))


def given_up(failing_since: int | None, at: int) -> bool:
    """Return whether a receiver has done nothing but fail for too long, at a moment."""
    return failing_since is not None and at - failing_since >= PATIENCE_DAYS * _DAY


def retry_after_of(header: str | None, at: int) -> float | None:
    """Return the seconds that a Retry-After header asks for, at a moment (microseconds).

    It may be seconds or a date; None where it is neither.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return max(0.0, moment - at / MICROSECONDS)
