"""Which events a subscriber wants."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache

from fraisier.domain.errors import UsageError, did_you_mean
from fraisier.domain.event import EVENT_TYPES
from fraisier.nats.events import Event
from fraisier.nats.subjects import FAMILIES

Words = str | Sequence[str] | None


@dataclass(frozen=True)
class EventFilter:
    """What an event has to be like: each is a value, a list of values, or None for any.

    `*` in a value stands for any text: `deployment.*`, `api-*`. An event that has no such value (as
    `audit.token.create` has no service) is let through by None only. Raises UsageError for what can
    never match.
    """

    event_type: Words = None
    service: Words = None
    environment: Words = None
    region: Words = None
    deployment_id: Words = None

    def __post_init__(self) -> None:
        for field in fields(self):
            words = _words(getattr(self, field.name))
            if words is not None and (not words or not all(_is_word(word) for word in words)):
                raise UsageError(
                    f"{field.name} of a filter has to be a text or a list of texts",
                    'write "deployment.started", ["a", "b"] or "deployment.*"',
                )
        for word in _words(self.event_type) or ():
            _require_type(word)

    def matches(self, event: Event) -> bool:
        """Return whether an event is wanted."""
        pairs = [(getattr(self, field.name), getattr(event, field.name)) for field in fields(self)]
        return all(_matches(wanted, value) for wanted, value in pairs)

    def families(self) -> frozenset[str]:
        """Return the families of events, one stream each, that can hold what is wanted."""
        words = _words(self.event_type)
        if words is None:
            return frozenset(FAMILIES)
        heads = [word.partition(".")[0] for word in words]
        return frozenset(name for name in FAMILIES if any(_like(head, name) for head in heads))


def _is_word(word: object) -> bool:
    return isinstance(word, str) and bool(word)


def _words(given: Words) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, str):
        return (given,)
    return tuple(given) if isinstance(given, Sequence | set | frozenset) else ()


def _matches(wanted: Words, value: str | None) -> bool:
    words = _words(wanted)
    return words is None or (value is not None and any(_like(word, value) for word in words))


@cache
def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, re.split(r"\*+", word))), re.S)


def _like(word: str, text: str) -> bool:
    """Return whether a text is like a word in which `*` stands for any text."""
    return text == word if "*" not in word else _pattern(word).fullmatch(text) is not None


def _require_type(word: str) -> None:
    """Raise UsageError for an event type that does not exist."""
    head, _, rest = word.partition(".")
    known = any(_like(head, name) for name in FAMILIES)
    if known and ("*" in word or word in EVENT_TYPES or (head == "audit" and rest)):
        return
    raise UsageError(
        f'there are no events of the type "{word}"{did_you_mean(word, EVENT_TYPES)}',
        "docs/EVENT_REFERENCE.md lists them",
    )
