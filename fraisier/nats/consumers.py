"""Consumers as a listener needs them: where they begin, and what the server keeps of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from fraisier.nats.place import Place

#: How many messages of a stream may be here that are not settled.
OPEN = 256
#: How long the server waits for an acknowledgement, in seconds.
ACK_SECONDS = 30.0
#: How long the server keeps a nameless consumer that nobody asks.
IDLE_SECONDS = 60.0


@dataclass(frozen=True)
class Start:
    """Where to begin: at what happened since a moment, at a stream's sequence, or (neither) now."""

    since: datetime | None = None
    sequence: int | None = None


def wanted(durable: str | None, start: Start, place: Place, last: int) -> ConsumerConfig:
    """Return a consumer that goes on at a place; a new place is set to where the listener starts.

    `last` is the stream's last sequence. A durable one keeps what is not settled; a nameless one
    knows nothing, and is made again after each session.
    """
    if place.high is None and start.since is None:
        place.high = last if start.sequence is None else start.sequence - 1
    config = ConsumerConfig(ack_policy=AckPolicy.NONE, inactive_threshold=IDLE_SECONDS)
    first = None if place.high is None else place.high + 1
    if durable:
        first = min(place.open, default=first)
        config = ConsumerConfig(
            durable_name=durable,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_SECONDS,
            max_deliver=-1,
            max_ack_pending=4 * OPEN,
        )
    if first is None:
        begin = DeliverPolicy.BY_START_TIME
        return replace(config, deliver_policy=begin, opt_start_time=start.since)
    begin = DeliverPolicy.BY_START_SEQUENCE
    return replace(config, deliver_policy=begin, opt_start_seq=max(1, first))
