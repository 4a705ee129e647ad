"""The names on NATS: a subject for each event, a stream for each family of events."""

from __future__ import annotations

import re

from fraisier.domain.event import EVENT_TYPES
from fraisier.domain.notice import DEFAULT_REGION

ROOT = "fraisier"
#: What the first word of an event's type can be; each has a stream of its own.
FAMILIES = tuple(sorted({name.partition(".")[0] for name in EVENT_TYPES} | {"audit"}))
DEAD_LETTER = "dead_letter"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")


def is_token(text: str) -> bool:
    """Return whether a text can be one word of a subject, and the name of a consumer."""
    return _TOKEN.fullmatch(text) is not None


def token(text: str) -> str:
    """Return a text as one word of a subject: whatever else is in it becomes `_`."""
    return _FOREIGN.sub("_", text)[:64] or "_"


def stream_of(family: str) -> str:
    """Return the name of a family's stream."""
    return f"{ROOT.upper()}_{family.upper()}"


def subjects_of(family: str) -> str:
    """Return what a family's stream listens to."""
    return f"{ROOT}.{family}.>"


def family_of(event_type: str) -> str:
    """Return the family of an event type; raise ValueError where it has no stream."""
    family = event_type.partition(".")[0]
    if family not in FAMILIES:
        raise ValueError(f"no stream is for events of the type {event_type!r}")
    return family


def subject_of(event_type: str, region: str | None) -> str:
    """Return the subject of an event; a dot in a region becomes `_`."""
    words = [token(word) for word in event_type.split(".")]
    return ".".join((ROOT, *words, token(region or DEFAULT_REGION)))


def dead_letter_of(name: str) -> str:
    """Return where a listener's dead letters go."""
    return f"{ROOT}.{DEAD_LETTER}.{token(name)}"
