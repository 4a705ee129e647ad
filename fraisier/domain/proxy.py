"""What stands in front of a service: a proxy of Fraisier's, or a balancer of somebody else's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fraisier.domain.host import Host

Json = dict[str, Any]


@dataclass(frozen=True)
class Proxy:
    """How requests reach a service.

    `kind`: `haproxy` is Fraisier's own, `none` a balancer that only `drain_command` and
    `undrain_command` speak to, on the service's hosts. `names`: the requests that are meant, by
    their host names (none: every request). `tls`: True where the secrets `tls:cert` and
    `tls:key` are its certificate; `{"acme": {"directory", "email"?}}` where it is got from an
    authority. `drain`: seconds that requests under way may take. `keep_old`: after blue-green and
    canary the old release stays up. `hosts`: the proxy's own machines; none where it runs on those
    of the service, which then has two colours.
    """

    kind: str = "haproxy"
    names: tuple[str, ...] = ()
    port: int = 80
    tls_port: int = 443
    app_port: int | None = None
    tls: bool | Json = False
    drain: float = 30
    keep_old: bool = True
    health_path: str | None = None
    hosts: tuple[Host, ...] = ()
    drain_command: tuple[str, ...] = ()
    undrain_command: tuple[str, ...] = ()

    @property
    def local(self) -> bool:
        """True where it runs on the service's own hosts, and moves traffic between two colours."""
        return self.kind == "haproxy" and not self.hosts

    def as_request(self, servers: Sequence[Host]) -> Json:
        """Return it as a playbook is told, for a service on these hosts; without secrets."""
        behind = {
            host.name: {"address": host.private_address or host.address, "port": self.app_port}
            for host in (servers if self.hosts else ())
        }
        return {
            "kind": self.kind,
            "names": list(self.names),
            "port": self.port,
            "tls_port": self.tls_port,
            "app_port": self.app_port,
            "tls": self.tls,
            "drain": self.drain,
            "keep_old": self.keep_old,
            "health_path": self.health_path,
            "local": self.local,
            "servers": behind,
            "drain_command": list(self.drain_command),
            "undrain_command": list(self.undrain_command),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Proxy:
        """Rebuild a proxy from its snapshot."""
        tuples = ("names", "drain_command", "undrain_command")
        return cls(
            **{
                **data,
                **{name: tuple(data[name]) for name in tuples},
                "hosts": tuple(Host(**host) for host in data["hosts"]),
            }
        )
