"""Freezes as people make them, look at them and lift them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from fraisier.domain.catalogue import Catalogue
from fraisier.domain.errors import UsageError
from fraisier.domain.freeze import ALL, Freeze, FreezeStore, NewFreeze
from fraisier.engine.views import timestamp

_PATTERN = re.compile(r"[A-Za-z0-9_*?-]{1,64}")


@dataclass(frozen=True)
class FreezeWish:
    """What a person asks for; None means all, from now, and until it is lifted (microseconds)."""

    reason: str
    by: str
    fraise: str | None = None
    environment: str | None = None
    starts_at: int | None = None
    ends_at: int | None = None


class Freezes:
    """The verbs on freezes. `ring` wakes the workers when one ends."""

    def __init__(self, catalogue: Catalogue, store: FreezeStore, ring: Callable[[], None]) -> None:
        self._catalogue = catalogue
        self._store = store
        self._ring = ring

    def add(self, wish: FreezeWish) -> dict[str, Any]:
        """Record a freeze and return it.

        Raises UsageError where it could hold nothing, FraiseNotFound and EnvironmentNotFound.
        """
        moment = self._store.now()
        fraise, environment = wish.fraise or ALL, wish.environment or ALL
        self._require_targets(fraise, environment)
        begins = moment if wish.starts_at is None else wish.starts_at
        if wish.ends_at is not None and wish.ends_at <= max(begins, moment):
            raise UsageError(
                "this freeze would end before it begins, or has ended already",
                "let it end later, or leave its end open and lift it",
            )
        new = NewFreeze(fraise, environment, wish.reason, wish.by, begins, wish.ends_at)
        return freeze_json(self._store.add_freeze(new), moment)

    def lift(self, freeze_id: str, by: str) -> dict[str, Any]:
        """End a freeze, for good; raise FreezeNotFound, or Refused where it is over already."""
        lifted = self._store.lift_freeze(freeze_id, by)
        self._ring()
        return freeze_json(lifted, self._store.now())

    def all(self, over: bool = False) -> list[dict[str, Any]]:
        """Return those that hold or will hold, newest first; with `over` all of them."""
        moment = self._store.now()
        return [freeze_json(each, moment) for each in self._store.freezes(over)]

    def _require_targets(self, fraise: str, environment: str) -> None:
        """Refuse a freeze of nothing: mostly it is a name that is not written as it is."""
        if not _PATTERN.fullmatch(fraise):
            raise UsageError(
                f'"{fraise}" is no name of a fraise, and no pattern of names',
                "in a pattern, * stands for anything and ? for one character: api-*",
            )
        if not {*fraise} & {"*", "?"}:
            self._catalogue.fraise(fraise)
            if environment != ALL:
                self._catalogue.target(fraise, environment)
        targets = self._catalogue.targets()
        if not any(
            fnmatchcase(each.fraise, fraise) and environment in (ALL, each.environment)
            for each in targets
        ):
            known = ", ".join(f"{each.fraise} {each.environment}" for each in targets)
            raise UsageError(f"nothing is configured as {fraise} {environment}", f"known: {known}")


def freeze_json(found: Freeze, moment: int) -> dict[str, Any]:
    """Return a freeze; `state`, at a moment: planned, holds, ended or lifted."""
    state = "holds" if found.holds(moment) else "planned"
    if found.over(moment):
        state = "lifted" if found.lifted_at is not None else "ended"
    return {
        "id": found.id,
        "state": state,
        "fraise": found.fraise,
        "environment": found.environment,
        "reason": found.reason,
        "by": found.by,
        "by_name": found.by_name,
        "created_at": timestamp(found.created_at),
        "from": timestamp(found.starts_at),
        "until": timestamp(found.ends_at),
        "lifted_at": timestamp(found.lifted_at),
        "lifted_by": found.lifted_by,
        "lifted_by_name": found.lifted_by_name,
    }
