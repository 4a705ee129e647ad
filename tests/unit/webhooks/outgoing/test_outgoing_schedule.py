"""When a delivery is tried again, told without waiting."""

from __future__ import annotations

import pytest

from fraisier.webhooks.outgoing.schedule import DELAYS, given_up, next_delay, retry_after_of

DAY = 86_400 * 1_000_000
#: Tue, 24 Nov 2026 04:00:00 GMT, in microseconds.
AT = 1_795_492_800_000_000


def test_the_attempts_are_as_promised() -> None:
    minute, hour = 60, 3600
    wanted = [5, 5 * minute, 30 * minute, *(n * hour for n in (2, 5, 10, 14, 20, 24))]
    assert [next_delay(n, 0.5) for n in range(1, 10)] == pytest.approx(wanted)
    assert next_delay(10, 0.5) is None
    assert sum(DELAYS) == 75 * hour + 35 * minute + 5


def test_the_jitter_is_a_tenth_at_most() -> None:
    for failures, delay in enumerate(DELAYS, 1):
        assert next_delay(failures, 0) == pytest.approx(0.9 * delay)
        assert next_delay(failures, 1) == pytest.approx(1.1 * delay)


def test_a_receiver_may_ask_for_more_time_but_not_for_less_and_a_day_at_most() -> None:
    assert next_delay(1, 0.5, 120) == 120
    assert next_delay(2, 0.5, 1) == 300
    assert next_delay(1, 0.5, 1e12) == 86_400
    assert next_delay(10, 0.5, 60) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 400, 999_999_999.0),
        ("Tue, 24 Nov 2026 04:02:00 GMT", 120.0),
        ("Tue, 24 Nov 2026 03:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Mon, 99 Foo 0000 00:00:00 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 -0000", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    found = retry_after_of(header, AT)
    assert found == seconds or (header or "").startswith("Mon, 01 Jan 0001")


def test_a_receiver_is_given_up_after_five_days_of_nothing_but_failures() -> None:
    assert given_up(AT, AT + 5 * DAY)
    assert not given_up(AT, AT + 5 * DAY - 1)
    assert not given_up(None, AT)
