"""A recorded event as the world is told of it: on NATS, by webhooks, in chats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

DEFAULT_REGION = "default"


@dataclass(frozen=True)
class Notice:
    """An event with what its receivers need to know of its deployment.

    `stream_id`: whose log it is in, a deployment's id or, for `audit.*`, that of the one note;
    `sequence` counts from 1 without a gap within it. `at` is UTC, in microseconds since 1970.
    What concerns no deployment (as `audit.token.create`) has None for what deployments have. `data`
    is JSON and holds no secret.
    """

    event_id: str
    event_type: str
    stream_id: str
    sequence: int
    at: int
    host: str | None
    data: Mapping[str, Any]
    region: str = DEFAULT_REGION
    deployment_id: str | None = None
    fraise: str | None = None
    environment: str | None = None
    provider: str | None = None
    version: str | None = None
    strategy: str | None = None
    kind: str | None = None
    triggered_by: str | None = None
    trace_id: str | None = None

    @property
    def timestamp(self) -> str:
        """Return when it happened, as RFC 3339 in UTC with microseconds."""
        moment = datetime.fromtimestamp(self.at // 1_000_000, UTC)
        return moment.replace(microsecond=self.at % 1_000_000).isoformat().replace("+00:00", "Z")

    def payload(self, source: str) -> Json:
        """Return the event as JSON, in the words of the contract; `source` is the installation."""
        return {
            "event_type": self.event_type,
            "event_id": self.event_id,
            "sequence": self.sequence,
            "timestamp": self.timestamp,
            "deployment_id": self.deployment_id,
            "service": self.fraise,
            "fraise": self.fraise,
            "environment": self.environment,
            "version": self.version,
            "strategy": self.strategy,
            "region": self.region,
            "trace_id": self.trace_id,
            "source": source,
            "data": {
                **self.data,
                "service": self.fraise,
                "host": self.host,
                "kind": self.kind,
                "provider": self.provider,
                "triggered_by": self.triggered_by,
            },
        }
