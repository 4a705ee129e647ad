"""Receivers of webhooks, and all that sends to them, with a clock that a test may move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fraisier.domain.delivery import Endpoint
from fraisier.domain.errors import ConfigurationError, Problem
from fraisier.domain.ids import now
from fraisier.domain.notice import Notice
from fraisier.domain.secret import Secret, SecretReference
from fraisier.store import SqlStore
from fraisier.webhooks.outgoing import Door, Outgoing, Sender, WebhookSink, receivers_of
from support.receiving import LOOPBACK

KEY = "whsec_" + "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
SECRETS = {"KEY": KEY, "OLD": "the one before, which is long", "SHORT": "short"}
SECOND = 1_000_000


class Out:
    """Receivers and all that sends to them, with a clock that a test may move."""

    def __init__(self, store: SqlStore, *endpoints: Endpoint, **door: Any) -> None:
        self.store = store
        self.endpoints = {each.id: each for each in endpoints}
        self.ahead = 0
        way = Door(**{"networks": LOOPBACK, **door})
        receivers = receivers_of(endpoints, resolve, way)
        self.sender = Sender(store, receivers, clock=lambda: now() + self.ahead,
                             chance=lambda: 0.5, seconds=1.0)  # fmt: skip
        self.desk = Outgoing(endpoints, store, receivers, self.sender.ring)

    def tell(self, *notices: Notice) -> None:
        """Have every receiver told of events, as the relay does."""
        for each in self.endpoints.values():
            WebhookSink(each, self.store, "ins_1", self.sender.ring).publish(notices)

    def send(self, name: str = "hook") -> dict[str, Any]:
        """Send what is due to a receiver now, and return the delivery with its attempts."""
        assert self.sender.send_next(name), "nothing is due"
        return self.log(name)[-1]

    def log(self, name: str = "hook") -> list[dict[str, Any]]:
        """Return the deliveries to a receiver, the oldest first."""
        return list(reversed(self.desk.deliveries(name, None, 1000)[0]))

    def state(self, name: str = "hook") -> dict[str, Any]:
        """Return how a receiver does."""
        return next(each for each in self.desk.endpoints() if each["name"] == name)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send in the background while the block runs."""
        self.sender.start()
        try:
            yield
        finally:
            self.sender.stop(0.2)


def resolve(reference: SecretReference) -> Secret:
    """Return a secret of the tests."""
    if reference.name not in SECRETS:
        raise ConfigurationError([Problem("secrets", 0, "", f"{reference.name} is not set")])
    return Secret(SECRETS[reference.name])


def hook(url: str, name: str = "hook", *secrets: str, **more: Any) -> Endpoint:
    """Return a webhook."""
    named = tuple(SecretReference("env", each) for each in secrets or ("KEY",))
    return Endpoint(name, "webhook", url, named, **more)
