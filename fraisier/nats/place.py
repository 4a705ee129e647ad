"""How far a listener has come in one stream."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Delivery:
    """One message for a listener. `reply` is where it is acknowledged; None: nowhere yet.

    `made_anew`: its stream was lost and is told again, so it may be an old story.
    """

    stream: str
    created: str
    sequence: int
    body: bytes
    reply: str | None = None
    made_anew: bool = False


@dataclass
class Place:
    """What came from a stream: everything up to `high`, of which `open` is not settled.

    `created` tells the stream from a later one of the same name. `high` None: nothing is known,
    the listener begins where it was asked to.
    """

    created: str
    high: int | None = None
    made_anew: bool = False
    open: dict[int, Delivery] = field(default_factory=dict)

    def take(self, delivery: Delivery) -> bool:
        """Note a message; return whether it is new. One that is known is only to be settled."""
        if self.high is not None and delivery.sequence <= self.high:
            known = self.open.get(delivery.sequence)
            if known is not None:
                known.reply = delivery.reply
            return False
        self.high = delivery.sequence
        self.open[delivery.sequence] = delivery
        return True
