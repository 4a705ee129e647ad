# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The traffic in front of a service, as the configuration has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

HAPROXY, NONE = "haproxy", "none"


@dataclass(frozen=True)
class Front:
    """What is in front of a service. `kind`: our HAProxy, or a balancer of somebody else's.

    `local`: HAProxy is on the very hosts of the service, which then runs as colours there.
    `app_port`: blue's port, green's is the next; None lets the host choose. `drain`: seconds that
    requests under way may take. `keep_old`: the colour that was left keeps running. The commands
    are a balancer's, argument lists. `certificate`: PEM of the certificate, its chain and its key.
    """

    kind: str = NONE
    names: Sequence[str] = ()
    port: int = 80
    tls_port: int = 443
    app_port: int | None = None
    tls: Any = False
    drain: float = 30.0
    keep_old: bool = True
    health_path: str | None = None
    local: bool = False
    drain_command: Any = None
    undrain_command: Any = None
    certificate: str | None = field(default=None, repr=False)

    @property
    def colours(self) -> bool:
        """True where the service runs as two colours on each host."""
        return self.kind == HAPROXY and self.local


def from_options(options: Mapping[str, Any]) -> Front | None:
    """Return the front that a module's options tell; None where nothing is in front."""
    proxy = options.get("proxy")
    if not proxy:
        return None
    given = {name: proxy.get(name) for name in Front.__dataclass_fields__}
    secret = options.get("secret_tls") or {}
    pem = [str(secret[name]).strip() + "\n" for name in ("cert", "key") if secret.get(name)]
    given["certificate"] = "".join(pem) if len(pem) == 2 else None
    return Front(**{name: value for name, value in given.items() if value is not None})
