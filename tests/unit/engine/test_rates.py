"""S12: what a process takes of an allowance, and what it tells of it."""

from __future__ import annotations

import pytest

from fraisier.domain.errors import RateLimited
from fraisier.domain.rate import WINDOW, Allowance, Limits
from fraisier.engine.rates import Rates


class Shared:
    """Allowances that several processes take from, on a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.used: dict[tuple[str, int], int] = {}
        self.asked = 0

    def clock(self) -> float:
        """Return the time."""
        return self.now

    def take_allowance(self, key: str, wanted: int, limit: int) -> Allowance:
        """Take a part."""
        self.asked += 1
        number, past = divmod(self.now, WINDOW)
        used = self.used.get((key, int(number)), 0)
        granted = min(wanted, limit - used)
        self.used[key, int(number)] = used + granted
        return Allowance(granted, limit - used - granted, WINDOW - past)


def sent(rates: Rates, changes: bool = False) -> int:
    """Send requests until one is refused; return how many were not."""
    for number in range(10_000):
        try:
            rates.request("tok_1", changes)
        except RateLimited:
            return number
    raise AssertionError("nothing was ever refused")


def test_s12_all_processes_together_get_the_limit_and_no_more() -> None:
    shared = Shared()
    first, second = (Rates(shared, Limits(100, 10), shared.clock) for _ in range(2))
    for _ in range(30):
        first.request("tok_1", False)
        second.request("tok_1", False)
    assert 60 + sent(first) + sent(second) == 100
    assert sent(first, changes=True) + sent(second, changes=True) == 10


def test_s12_the_records_are_asked_seldom_and_not_at_all_once_nothing_is_left() -> None:
    shared = Shared()
    rates = Rates(shared, Limits(100), shared.clock)
    assert sent(rates) == 100
    assert shared.asked <= 21
    asked = shared.asked
    assert sent(rates) == 0
    assert shared.asked == asked


def test_s12_the_next_minute_begins_anew_and_what_was_taken_does_not_come_along() -> None:
    shared = Shared()
    rates = Rates(shared, Limits(100), shared.clock)
    rates.request("tok_1", False)
    shared.now = WINDOW
    assert sent(rates) == 100
    with pytest.raises(RateLimited) as caught:
        rates.request("tok_1", False)
    assert (caught.value.seconds, caught.value.limit) == (WINDOW, 100)
    shared.now += caught.value.seconds
    assert rates.request("tok_1", False).remaining == 99


def test_what_is_left_is_told() -> None:
    shared = Shared()
    shared.now = 10.0
    left = Rates(shared, Limits(100), shared.clock).request("tok_1", False)
    assert (left.limit, left.remaining, left.reset) == (100, 99, 50)


def test_each_token_and_each_address_has_its_own() -> None:
    shared = Shared()
    rates = Rates(shared, Limits(10, 10, 2), shared.clock)
    assert sent(rates) == 10
    assert rates.request("tok_2", False).remaining == 9
    for address in ("192.0.2.1", "192.0.2.2"):
        rates.failure(address)
        rates.failure(address)
        with pytest.raises(RateLimited, match="from this address"):
            rates.failure(address)


def test_few_are_remembered_once_their_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fraisier.engine.rates.MANY", 5)
    shared = Shared()
    rates = Rates(shared, Limits(), shared.clock)
    for number in range(6):
        rates.failure(f"192.0.2.{number}")
    shared.now = 2 * WINDOW
    rates.failure("192.0.2.99")
    assert len(rates._parts) == 1
