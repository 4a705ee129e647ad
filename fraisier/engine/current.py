"""The configuration as it is now: one that follows its file while a server runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from typing import Any, TypeVar

from fraisier.domain.catalogue import Catalogue

Value = TypeVar("Value")
Heard = Callable[[Catalogue, Catalogue], None]

_FIELDS = frozenset(each.name for each in fields(Catalogue))


class CurrentCatalogue(Catalogue):
    """A catalogue whose every question is answered by the configuration that holds now.

    What must be of a piece asks within `pinned()`, or keeps `now`: that one does not change.
    """

    def __init__(self, first: Catalogue) -> None:
        self._newest = first
        self._pin: ContextVar[Catalogue | None] = ContextVar("catalogue", default=None)
        self._lock = threading.Lock()
        self._heard: list[Heard] = []

    def __getattribute__(self, name: str) -> Any:
        """Ask the catalogue of now for what a catalogue has, whatever that may be."""
        return getattr(self.now, name) if name in _FIELDS else super().__getattribute__(name)

    @property
    def now(self) -> Catalogue:
        """Return the catalogue that is pinned here, else the newest."""
        return self._pin.get() or self._newest

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """Let this thread see one configuration as long as the block runs."""
        token = self._pin.set(self.now)
        try:
            yield
        finally:
            self._pin.reset(token)

    def pinning(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return work that sees one configuration from its beginning to its end."""

        def of_a_piece() -> None:
            with self.pinned():
                work()

        return of_a_piece

    def take(self, new: Catalogue) -> None:
        """Let another catalogue hold from now on, and tell those who want to hear."""
        with self._lock:
            before, self._newest = self._newest, new
            for heard in list(self._heard):
                heard(before, new)

    @contextmanager
    def heard_by(self, heard: Heard) -> Iterator[None]:
        """Call `heard(before, after)` at each change while the block runs."""
        with self._lock:
            self._heard.append(heard)
        try:
            yield
        finally:
            with self._lock:
                self._heard.remove(heard)


class Followed(Mapping[str, Value]):
    """A mapping that is looked up anew each time."""

    def __init__(self, look: Callable[[], Mapping[str, Value]]) -> None:
        self._look = look

    def __getitem__(self, key: str) -> Value:
        return self._look()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._look()))

    def __len__(self) -> int:
        return len(self._look())
