"""What `doctor` says of the proxies in front of a service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fraisier.cli.setup import of_proxy
from fraisier.domain.catalogue import Target
from fraisier.domain.outcome import HostOutcome
from fraisier.engine.hosts import Hosts

#: A certificate that ends sooner is told of.
CERTIFICATE_DAYS = 14
_DAY = 86400.0

#: The subject, whether it passes, the finding, and how to fix it.
Finding = tuple[str, bool, str, str]


def proxy_health(
    hosts: Hosts, target: Target, timeout: float, cancelled: Callable[[], bool]
) -> Iterator[Finding]:
    """Look at every proxy of a target; one that is somebody else's is not looked at."""
    proxy = target.proxy
    if proxy is None or proxy.kind != "haproxy" or not hosts.can(target, "proxy_probe"):
        return
    told = proxy.as_request(target.hosts)
    outcome = hosts.run(of_proxy(target), "proxy_probe", timeout, cancelled=cancelled, proxy=told)
    setup = f"run: fraisier setup {target.fraise} {target.environment} --yes"
    for host in outcome.hosts.values():
        yield from _host(host, setup, local=proxy.local)


def _host(host: HostOutcome, setup: str, local: bool) -> Iterator[Finding]:
    name, error = f"proxy on {host.host}", host.error or {}
    if not host.ok:
        yield name, False, error.get("message", "no answer"), error.get("hint", "")
        return
    found: Mapping[str, Any] = host.result.get("proxy") or {"installed": False}
    if not found["installed"]:
        yield name, False, "it is not installed", setup
    elif not found["running"]:
        yield name, False, "it does not run", "on the host: journalctl -u fraisier-proxy -n 30"
    elif found.get("backend") is None:
        known = "it knows the service from its first deployment on" if local else ""
        yield name, local, known or "it does not know the service", setup
    else:
        yield name, True, _servers(found.get("servers") or {}), ""
        yield from _certificate(name, found.get("certificate_until"), found.get("acme"), setup)


def _servers(servers: Mapping[str, Any]) -> str:
    texts = [
        f"{name} {server['weight']} %, {'up' if server['up'] else 'down'}"
        + (", drained" if server["drained"] else "")
        for name, server in servers.items()
    ]
    return "; ".join(texts)


def _certificate(
    name: str, until: float | None, acme: Mapping[str, Any] | None, setup: str
) -> Iterator[Finding]:
    if until is None:
        return
    if acme and (acme["stand_in"] or acme["problem"]):
        waiting = "no authority has answered yet; a certificate of our own stands in"
        fix = f"see that the names lead to this host, and port 80 there to the proxy; {setup}"
        yield f"{name} certificate", False, acme["problem"] or waiting, fix
        return
    days = (until - time.time()) / _DAY
    fix = "renew it, and deploy or run setup again: both take the new one to the proxy"
    if acme:
        fix = "on the host: journalctl -u 'fraisier-acme@*' -n 30; systemctl list-timers"
    detail = f"its certificate ends in {days:.0f} days" if days > 0 else "its certificate has ended"
    yield f"{name} certificate", days > CERTIFICATE_DAYS, detail, fix
