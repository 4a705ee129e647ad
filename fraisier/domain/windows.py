"""Deploy windows: when deployments may begin, by the clock on the wall of a time zone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: An opening is looked for in so many days; a clock that is put forward can swallow a weekly one.
_AHEAD = 15
_MIDNIGHT = "24:00"


@dataclass(frozen=True)
class Window:
    """Days of the week (0 is Monday) with a start and an end, as `HH:MM`; `24:00` ends a day.

    Where the end is not after the start, the window goes over midnight and `days` are those on
    which it begins.
    """

    days: tuple[int, ...]
    start: str
    end: str
    timezone: str = "UTC"

    @property
    def overnight(self) -> bool:
        """True where the window ends on the day after the one it begins on."""
        return self.end <= self.start

    def holds(self, moment: datetime) -> bool:
        """Return whether a moment (with its zone) is within the window."""
        here = moment.astimezone(ZoneInfo(self.timezone))
        clock, today = f"{here:%H:%M}", here.weekday()
        if not self.overnight:
            return today in self.days and self.start <= clock < self.end
        begun = today in self.days and clock >= self.start
        return begun or ((today - 1) % 7 in self.days and clock < self.end)

    def __str__(self) -> str:
        days = ",".join(DAYS[day] for day in self.days)
        return f"{days} {self.start}-{self.end} {self.timezone}"


def days_of(text: str) -> tuple[int, ...]:
    """Return the days that `mon-fri` or `sat,sun` names, in order; `fri-mon` goes over Sunday."""
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        day, end = DAYS.index(first), DAYS.index(last or first)
        found |= {(day + n) % 7 for n in range((end - day) % 7 + 1)}
    return tuple(sorted(found))


def is_open(windows: Sequence[Window], microseconds: int) -> bool:
    """Return whether a moment is within a window; without windows it always is."""
    moment = datetime.fromtimestamp(microseconds / 1e6, UTC)
    return not windows or any(window.holds(moment) for window in windows)


def next_opening(windows: Sequence[Window], microseconds: int) -> int | None:
    """Return when a window opens next after a moment outside of all, in microseconds."""
    moment = datetime.fromtimestamp(microseconds / 1e6, UTC)
    openings = sorted({at for window in windows for at in _openings(window, moment)})
    first = next((at for at in openings if any(window.holds(at) for window in windows)), None)
    return None if first is None else int(first.timestamp()) * 1_000_000


def _openings(window: Window, moment: datetime) -> Iterator[datetime]:
    """Yield moments after a given one at which a window may open: its edges, as the clocks go."""
    today = moment.astimezone(ZoneInfo(window.timezone)).date()
    for ahead in range(-1, _AHEAD):
        for edge in (window.start, window.end):
            yield from (at for at in _moments(window, today, ahead, edge) if at > moment)


def _moments(window: Window, today: date, ahead: int, edge: str) -> Iterator[datetime]:
    """Yield the moment of an edge; where clocks are changed about then, each minute of that."""
    over = edge == _MIDNIGHT
    clock = time() if over else time.fromisoformat(edge)
    on = today + timedelta(days=ahead + over)
    zone = ZoneInfo(window.timezone)
    either = [datetime.combine(on, clock, zone).replace(fold=fold) for fold in (0, 1)]
    first, last = sorted(each.astimezone(UTC) for each in either)
    for minute in range(int((last - first).total_seconds()) // 60 + 1):
        yield first + timedelta(minutes=minute)
