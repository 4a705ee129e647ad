"""Deploy windows by the clock on the wall, also on the days on which clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fraisier.domain.windows import Window, days_of, is_open, next_opening

PARIS = "Europe/Paris"  # 2026: forward on 29 March at 02:00, back on 25 October at 03:00
OFFICE = Window(days_of("mon-fri"), "09:00", "17:00", PARIS)
NIGHT = Window(days_of("fri"), "22:00", "04:00", PARIS)
SUNDAY = days_of("sun")
ALWAYS = Window(days_of("mon-sun"), "00:00", "24:00")


def at(text: str) -> int:
    """Return a moment in UTC as microseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def opens(windows: list[Window], text: str) -> str | None:
    """Return when the next window opens after a moment, in UTC."""
    found = next_opening(windows, at(text))
    return None if found is None else f"{datetime.fromtimestamp(found / 1e6, UTC):%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon-fri", (0, 1, 2, 3, 4)),
        ("sat,sun", (5, 6)),
        ("mon, wed-thu", (0, 2, 3)),
        ("fri-mon", (0, 4, 5, 6)),
        ("tue", (1,)),
        ("mon-sun", (0, 1, 2, 3, 4, 5, 6)),
    ],
)
def test_days_are_read_as_they_are_written(text: str, days: tuple[int, ...]) -> None:
    assert days_of(text) == days


@pytest.mark.parametrize(
    ("window", "moment", "open_"),
    [
        (OFFICE, "2026-03-02T07:59", False),  # Monday, 08:59 in Paris
        (OFFICE, "2026-03-02T08:00", True),
        (OFFICE, "2026-03-02T15:59", True),
        (OFFICE, "2026-03-02T16:00", False),
        (OFFICE, "2026-03-01T10:00", False),  # Sunday
        (OFFICE, "2026-03-30T07:00", True),  # after the clocks went forward: 09:00
        (OFFICE, "2026-03-30T15:00", False),
        (OFFICE, "2026-10-26T07:00", False),  # after they went back: 08:00
        (OFFICE, "2026-10-26T08:00", True),
        (NIGHT, "2026-03-06T20:59", False),  # Friday, 21:59
        (NIGHT, "2026-03-06T21:00", True),
        (NIGHT, "2026-03-07T02:59", True),  # Saturday, 03:59
        (NIGHT, "2026-03-07T03:00", False),
        (NIGHT, "2026-03-06T02:00", False),  # Friday morning is Thursday's night
        (ALWAYS, "2026-03-06T23:59", True),
        (ALWAYS, "2026-03-07T00:00", True),
        (Window(SUNDAY, "02:00", "03:00", PARIS), "2026-03-29T00:59", False),  # 01:59
        (Window(SUNDAY, "02:00", "03:00", PARIS), "2026-03-29T01:00", False),  # 03:00: swallowed
        (Window(SUNDAY, "02:30", "03:30", PARIS), "2026-03-29T01:00", True),  # it begins late
        (Window(SUNDAY, "02:30", "03:30", PARIS), "2026-03-29T01:30", False),
        (Window(SUNDAY, "02:00", "02:30", PARIS), "2026-10-25T00:15", True),  # 02:15, once
        (Window(SUNDAY, "02:00", "02:30", PARIS), "2026-10-25T00:45", False),
        (Window(SUNDAY, "02:00", "02:30", PARIS), "2026-10-25T01:15", True),  # 02:15, again
        (Window(SUNDAY, "02:00", "02:30", PARIS), "2026-10-25T01:30", False),
    ],
)
def test_a_moment_is_in_a_window_or_not(window: Window, moment: str, open_: bool) -> None:
    assert is_open([window], at(moment)) is open_


@pytest.mark.parametrize(
    ("window", "moment", "opening"),
    [
        (OFFICE, "2026-03-02T05:00", "2026-03-02T08:00"),
        (OFFICE, "2026-03-06T16:00", "2026-03-09T08:00"),  # over the weekend
        (OFFICE, "2026-03-27T20:00", "2026-03-30T07:00"),  # over the change to summer time
        (OFFICE, "2026-10-23T20:00", "2026-10-26T08:00"),  # and back
        (NIGHT, "2026-03-07T03:00", "2026-03-13T21:00"),
        (Window(SUNDAY, "02:00", "03:00", PARIS), "2026-03-23T12:00", "2026-04-05T00:00"),
        (Window(SUNDAY, "02:30", "03:30", PARIS), "2026-03-23T12:00", "2026-03-29T01:00"),
        (Window(SUNDAY, "02:00", "02:30", PARIS), "2026-10-25T00:45", "2026-10-25T01:00"),
        (Window(SUNDAY, "01:45", "02:15", PARIS), "2026-10-25T00:30", "2026-10-25T01:00"),
        (Window(days_of("mon"), "12:00", "24:00"), "2026-03-03T00:00", "2026-03-09T12:00"),
    ],
)
def test_the_next_opening_is_known_also_where_clocks_are_changed(
    window: Window, moment: str, opening: str
) -> None:
    assert not is_open([window], at(moment))
    assert opens([window], moment) == opening


def test_the_first_of_several_windows_counts() -> None:
    assert opens([OFFICE, NIGHT], "2026-03-06T18:00") == "2026-03-06T21:00"
    assert opens([NIGHT, OFFICE], "2026-03-07T12:00") == "2026-03-09T08:00"


def test_without_windows_it_is_always_open() -> None:
    assert is_open([], at("2026-03-01T03:00"))
    assert opens([], "2026-03-01T03:00") is None
