"""NATS: wake-ups between processes, and the events for everybody who listens.

Nothing that is needed is kept there; the records are in the database.
"""

from fraisier.nats.bus import EventBus, get_event_bus
from fraisier.nats.connection import Connection, Part
from fraisier.nats.events import Event, NotAnEvent
from fraisier.nats.filters import EventFilter
from fraisier.nats.registry import EventSubscriberRegistry
from fraisier.nats.security import Security
from fraisier.nats.settings import NatsSettings
from fraisier.nats.sink import JetStreamSink
from fraisier.nats.streams import Limits
from fraisier.nats.wakeups import Wakeups

__all__ = [
    "Connection",
    "Event",
    "EventBus",
    "EventFilter",
    "EventSubscriberRegistry",
    "JetStreamSink",
    "Limits",
    "NatsSettings",
    "NotAnEvent",
    "Part",
    "Security",
    "Wakeups",
    "get_event_bus",
]
