"""What a step did, host by host, as the hosts themselves reported it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fraisier.domain.host_answer import CODE, HINT, Unfit, require_fit
from fraisier.domain.plain_json import plain


@dataclass(frozen=True)
class HostOutcome:
    """One host's part in a step.

    `state`: ok, failed, unreachable (no connection was made, so nothing ran there) or unknown
    (contact was lost, or the run was stopped, while something may have run there).
    `result` is what the collection's module returned; `error` has code, message and hint. Where
    a field of the result is not of its type, nothing of it is believed: the state is unknown. The
    texts of both are clean (`domain/plain_text`).
    """

    host: str
    state: str
    result: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        vars(self).update(result=plain(self.result), error=plain(self.error))
        try:
            require_fit(self.result)
        except Unfit as unfit:
            vars(self).update(state="unknown", result={}, error=error_of(unfit))

    @classmethod
    def unfit(cls, host: str, why: Unfit) -> HostOutcome:
        """Return the outcome of a host whose answer cannot be used."""
        return cls(host, "unknown", {}, error_of(why))

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

    def of(self, names: Sequence[str]) -> Outcome:
        """Return the outcome for these hosts alone; one that a finished run left out is unknown."""
        hosts = {name: self.hosts[name] for name in names if name in self.hosts}
        if self.ended == "done":
            missing = {"code": "no_answer", "message": "Ansible told nothing of it", "hint": ""}
            hosts = {
                name: hosts.get(name) or HostOutcome(name, "unknown", {}, missing) for name in names
            }
        return replace(self, hosts=hosts)

    def first_error(self) -> Mapping[str, str]:
        """Return the error to show for the step as a whole."""
        for host in self.hosts.values():
            if host.error:
                return {**host.error, "host": host.host}
        return self.error or {"code": self.ended, "message": f"the step ended: {self.ended}"}


def error_of(unfit: Unfit) -> dict[str, str]:
    """Return the error of an answer that cannot be used."""
    message = f"the host sent an answer that no module of Fraisier gives: {unfit}"
    return {"code": CODE, "message": message, "hint": HINT}
