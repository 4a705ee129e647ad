"""What could not be handled: tried again with growing pauses, in the end a dead letter."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from fraisier.domain.plain_text import one_line
from fraisier.nats.encoding import MESSAGE_ID
from fraisier.nats.place import Delivery
from fraisier.nats.streams import Limits, ensured
from fraisier.nats.subjects import DEAD_LETTER, dead_letter_of, stream_of, token

if TYPE_CHECKING:
    from nats.aio.client import Client

#: The pauses before the second try and those after it, in seconds; the last one is for all later.
PAUSES = (1.0, 5.0, 25.0, 60.0)
#: How soon a dead letter that could not be stored is tried again.
AGAIN_SECONDS = 5.0
ANSWER_SECONDS = 5.0
REASON_KEPT = 500


@dataclass
class Trying:
    """A message, which handlers have had it, and how often one has failed; `dead`: too often."""

    delivery: Delivery
    done: set[int] = field(default_factory=set)
    failures: int = 0
    reason: str = ""
    dead: bool = False


class Later:
    """What is to be tried again, by when."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Trying]] = []
        self._count = count()

    def add(self, trying: Trying, seconds: float) -> None:
        """Keep something for so many seconds."""
        heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._count), trying))

    def due(self) -> Trying | None:
        """Return the next whose time has come."""
        if self._heap and self._heap[0][0] <= time.monotonic():
            return heapq.heappop(self._heap)[2]
        return None

    def wait(self, most: float) -> float:
        """Return how long nothing is due, `most` at the longest, in seconds."""
        return max(0.0, min(most, self._heap[0][0] - time.monotonic())) if self._heap else most


def pause_after(failures: int) -> float:
    """Return how long to wait after so many failures, in seconds."""
    return PAUSES[min(failures, len(PAUSES)) - 1]


async def put_aside(client: Client | None, trying: Trying, name: str, limits: Limits) -> None:
    """Store a message as a dead letter with the reason; raise Error, OSError, SinkUnavailable."""
    if client is None:
        raise TimeoutError("NATS is not connected")
    jetstream = client.jetstream(timeout=ANSWER_SECONDS)
    await ensured(jetstream, DEAD_LETTER, limits)
    delivery = trying.delivery
    headers = {
        MESSAGE_ID: f"{name}.{delivery.stream}.{token(delivery.created)}.{delivery.sequence}",
        "Fraisier-Reason": one_line(trying.reason, REASON_KEPT),
        "Fraisier-Stream": delivery.stream,
        "Fraisier-Stream-Sequence": str(delivery.sequence),
        "Fraisier-Tries": str(trying.failures),
    }
    stream = stream_of(DEAD_LETTER)
    await jetstream.publish(dead_letter_of(name), delivery.body, stream=stream, headers=headers)
