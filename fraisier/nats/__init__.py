"""NATS: wake-ups between processes. Nothing is kept there; the records are in the database."""

from fraisier.nats.connection import Connection, Part
from fraisier.nats.wakeups import Wakeups

__all__ = ["Connection", "Part", "Wakeups"]
