"""What `fraisier doctor` says of this machine's clock."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fraisier.cli.doctor import _clock
from fraisier.domain.ids import now


@pytest.mark.parametrize(
    ("ahead", "fine", "told"),
    [
        (0, True, "as the database's"),
        (-4, True, "as the database's"),
        (600, False, "600 s ahead of the database's"),
        (-600, False, "600 s behind the database's"),
    ],
)
def test_a_clock_that_differs_from_the_databases_is_told(ahead: int, fine: bool, told: str) -> None:
    store = SimpleNamespace(now=lambda: now() - ahead * 1_000_000)
    application: Any = SimpleNamespace(store=store)
    check = _clock(application)
    assert (check.ok, check.detail) == (fine, told)
    assert "timedatectl" in check.fix
