# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""A service as one proxy knows it: its backend, the fence that it has there, what is reported."""

from __future__ import annotations

import os
import time
from typing import Any, Mapping, Sequence
from urllib.parse import urlsplit

from .failure import Failure
from .fence import Fence
from .fence_rules import Claim
from .proxy import ALL, Options, Proxy, Server, backend_name
from .proxy_model import acme_of
from .proxy_setup import STATE
from .report import Report

_POLL = 0.1


class ProxySite:
    """The servers of a service on a proxy, and who may move requests between them now."""

    def __init__(
        self, fraise: str, environment: str, claim: Claim, proxy: Proxy | None = None,
        state: str = STATE,
    ) -> None:  # fmt: skip
        self.backend = backend_name(fraise, environment)
        self.claim = claim
        self.proxy = proxy or Proxy(state=state)
        self._folder = os.path.join(state, self.backend)
        self.fence = Fence(self._folder)
        self.report = Report()
        self.changed = False
        self.empty = True

    def enter(self) -> None:
        """Take the fence of the service on this proxy; raises Failure."""
        with self.report.step("fence"):
            self.fence.require_its_time(self.claim)
            self.proxy.require()
            os.makedirs(self._folder, 0o700, exist_ok=True)
            self.fence.acquire(self.claim)

    def drain(self, servers: Sequence[str], seconds: float) -> None:
        """Give servers nothing new, and let them end what they have, for so many seconds."""
        with self.report.step("drain") as step:
            before = self.proxy.drained(self.backend)
            self.fence.check()
            self.empty = self.proxy.drain(self.backend, servers, seconds)
            step["changed"] = not set(servers) <= set(before)
            self.changed |= step["changed"]
            if not self.empty:
                names = ", ".join(servers)
                text = f"requests to {names} did not end within {seconds:g} s; they may be cut"
                self.report.say("drain", text)

    def undrain(self, servers: Sequence[str], serving: Sequence[str], seconds: float) -> None:
        """Give servers requests again, and wait until the proxy's own check sees `serving` up."""
        with self.report.step("undrain") as step:
            self.fence.check()
            step["changed"] = self.proxy.ready(self.backend, servers)
            self.changed |= step["changed"]
            self._require_up(serving, seconds)

    def _require_up(self, servers: Sequence[str], seconds: float) -> None:
        limit = time.monotonic() + seconds
        while down := self._down(servers):
            if time.monotonic() > limit:
                raise Failure(
                    "proxy_check_failed",
                    f"the proxy may send requests to {', '.join(down)} again, and sees no answer "
                    f"there to its own check for {seconds:g} s",
                    "see that the proxy reaches the service's port (address, firewall), and that "
                    "health_path is right",
                )
            time.sleep(_POLL)

    def _down(self, servers: Sequence[str]) -> list[str]:
        figures = self.proxy.figures(self.backend)
        return [name for name in servers if name not in figures or not figures[name].up]

    def result(self) -> dict[str, Any]:
        """Return what the module returns, as far as the run came."""
        return {
            "changed": self.changed,
            "fence": self.fence.number,
            "empty": self.empty,
            "steps": self.report.steps,
            "log": self.report.log,
        }


def options_of(proxy: Mapping[str, Any], tls: Mapping[str, Any]) -> Options:
    """Return what a proxy is told, by the option `proxy` of a module and the secrets of its TLS."""
    parts = [str(tls[name]).strip() for name in ("cert", "key") if tls.get(name)]
    return Options(
        names=tuple(proxy["names"] or ()),
        port=proxy["port"],
        tls_port=proxy["tls_port"],
        tls=bool(proxy["tls"]),
        certificate="\n".join([*parts, ""]) if len(parts) == 2 else None,
        health_path=proxy["health_path"],
        acme=acme_of(proxy["tls"]),
    )


def servers_of(proxy: Mapping[str, Any], check: Mapping[str, Any]) -> dict[str, Server]:
    """Return the servers of a proxy that has hosts of its own.

    Where no `app_port` is set, their port is the one that the health check asks.
    """
    found = {}
    for name, server in proxy["servers"].items():
        port = server.get("port") or proxy["app_port"] or port_of(check)
        if not port:
            raise Failure(
                "service_invalid",
                f"it is not said on which port {name} is asked by the proxy",
                "set proxy.app_port",
            )
        found[name] = Server(str(server["address"]), int(port), weight=ALL)
    return found


def port_of(check: Mapping[str, Any]) -> int | None:
    """Return the port that a health check asks; None for one that asks none."""
    if check.get("type") == "tcp":
        return check.get("port")
    url = urlsplit(check.get("url") or "")
    return url.port or {"http": 80, "https": 443}.get(url.scheme)
