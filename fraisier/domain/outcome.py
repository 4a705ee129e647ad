"""What a step did, host by host, as the hosts themselves reported it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class HostOutcome:
    """One host's part in a step.

    `state`: ok, failed, unreachable (no connection was made, so nothing ran there) or unknown
    (contact was lost, or the run was stopped, while something may have run there).
    `result` is what the collection's module returned; `error` has code, message and hint.
    """

    host: str
    state: str
    result: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, str] | None = None

    @property
    def ok(self) -> bool:
        """True if the host did all that the step asked of it."""
        return self.state == "ok"


@dataclass(frozen=True)
class Outcome:
    """A step's end: `done`, `cancelled`, `timeout`, or `broken` (Ansible itself failed)."""

    ended: str
    hosts: Mapping[str, HostOutcome]
    error: Mapping[str, str] | None = None

    @property
    def ok(self) -> bool:
        """True if every host did all that was asked."""
        return self.ended == "done" and all(host.ok for host in self.hosts.values())

    def first_error(self) -> Mapping[str, str]:
        """Return the error to show for the step as a whole."""
        for host in self.hosts.values():
            if host.error:
                return {**host.error, "host": host.host}
        return self.error or {"code": self.ended, "message": f"the step ended: {self.ended}"}
