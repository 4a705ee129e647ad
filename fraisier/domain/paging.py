"""Where a page of a list begins, so that what is added meanwhile moves nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """The item that a page comes after: its id, and its time in microseconds or its number."""

    at: int
    id: str
