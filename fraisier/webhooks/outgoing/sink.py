"""Each receiver as a sink of the relay: what it wants of the events becomes its deliveries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fraisier.domain.delivery import WEBHOOK, DeliveryStore, Endpoint
from fraisier.domain.notice import Notice
from fraisier.webhooks.outgoing.chat import message_body
from fraisier.webhooks.outgoing.payloads import new_delivery, webhook_body


class WebhookSink:
    """Records deliveries to one endpoint; a `Sender` sends them, at the endpoint's own pace.

    `source` is the installation's id; `ring` wakes the sender of this process.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        store: DeliveryStore,
        source: str,
        ring: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = f"webhook:{endpoint.id}"
        self._endpoint = endpoint
        self._store = store
        self._source = source
        self._ring = ring

    def look(self, state: Mapping[str, Any]) -> tuple[Mapping[str, Any], int | None]:
        """Return that nothing is lost: deliveries are in the records."""
        return state, None

    def publish(self, notices: Sequence[Notice]) -> int:
        """Record what the endpoint is to be sent, and return how many events that settles: all.

        An event that it has already is left. Raises StoreError.
        """
        wanted = [notice for notice in notices if self._endpoint.wants(notice)]
        new = [
            new_delivery(notice, body_for(self._endpoint, notice, self._source))
            for notice in wanted
        ]
        if new and self._store.add_deliveries(self._endpoint.id, new):
            self._ring()
        return len(notices)


def body_for(endpoint: Endpoint, notice: Notice, source: str) -> str:
    """Return what an endpoint is sent of an event: JSON text."""
    if endpoint.kind == WEBHOOK:
        return webhook_body(notice, source)
    return message_body(endpoint, notice)
