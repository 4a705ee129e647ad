"""S2: the records as a restricted token sees them; what was not thought of is refused."""

from __future__ import annotations

from typing import Any

import pytest

from fraisier.domain.errors import Forbidden
from fraisier.domain.ports import Store
from fraisier.domain.reach import EVERYTHING, Reach
from fraisier.engine.within import SHARED, StoreWithin, within

METHODS = [name for name in vars(Store) if not name.startswith("_")]


class Everything:
    """A store with every method there is, and ones that nobody has heard of."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: name


@pytest.mark.parametrize("name", [*METHODS, "made_later"])
def test_s2_every_method_is_narrowed_shared_or_refused(name: str) -> None:
    narrowed: Any = within(Everything(), Reach.of(["api/*"]))
    if name in vars(StoreWithin):
        return
    if name in SHARED:
        assert getattr(narrowed, name)() == name
        return
    with pytest.raises(Forbidden, match="more than the targets"):
        getattr(narrowed, name)


def test_a_reach_of_everything_changes_nothing() -> None:
    store: Any = Everything()
    assert within(store, EVERYTHING) is store
