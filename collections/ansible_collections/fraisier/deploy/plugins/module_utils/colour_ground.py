# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What a service with colours needs of its host, and how both colours come to be known there."""

from __future__ import annotations

from dataclasses import replace

from . import colours as book
from . import ports
from .colour_pair import Pair, Traffic
from .colours import COLOURS, Colours
from .failure import Failure
from .front import Front
from .ledger import Ledger
from .proxy import Proxy
from .proxy_model import Options, Server, acme_of, backend_name
from .site import Site


def traffic() -> Proxy:
    """Return the proxy of this host."""
    return Proxy()


def open_pair(site: Site) -> Pair:
    """Return the colours of a site, known to the proxy as the configuration has them now.

    Hold the fence. Raises Failure where the proxy is missing, or refuses what it is told.
    """
    front = require_front(site)
    proxy = traffic()
    proxy.require()
    with site.report.step("proxy") as step:
        record = recorded(site, front)
        servers = {colour: Server("127.0.0.1", record.ports[colour]) for colour in COLOURS}
        changed = proxy.define(record.backend, servers, options(front))
        step["changed"] = changed
        site.changed |= changed
    pair = Pair(site, front, proxy, record)
    straighten(pair)
    return pair


def require_front(site: Site) -> Front:
    """Return the front of a site that has colours; raises Failure."""
    if site.front is None or not site.front.colours:
        raise Failure(
            "colours_missing",
            f"{site.service.fraise} has no proxy on this host, and with it no colours",
            "set proxy in the environment, without hosts of its own",
        )
    return site.front


def recorded(site: Site, front: Front) -> Colours:
    """Return the record with the ports that it should have, and write it where that is new."""
    state = site.layout.state
    known = book.read(state)
    backend = (
        known.backend if known else backend_name(site.service.fraise, site.service.environment)
    )
    found = book.wanted_ports(backend, known, front.app_port, ports.allocate)
    site.fence.check()
    return book.write(state, replace(known, ports=found) if known else Colours(backend, found))


def straighten(pair: Pair) -> bool:
    """Let `current` name what the live colour runs, where a switch was cut before that."""
    release = pair.release(pair.record.live)
    ledger = pair.site.ledger
    if release is None or ledger.current() == release.id:
        return False
    ledger.switch(release.id)
    return True


def heal(ledger: Ledger, proxy: Traffic | None = None) -> None:
    """Give the live colour all traffic, and let `current` name its release; hold the fence.

    Nothing is done where there are no colours.
    """
    record = book.read(ledger.layout.state)
    if record is None:
        return
    proxy = proxy or traffic()
    if record.live is None:
        proxy.set_weights(record.backend, dict.fromkeys(COLOURS, 0))
        return
    release = ledger.get(record.release_of(record.live) or "")
    if release is not None and ledger.current() != release.id:
        ledger.switch(release.id)
    proxy.ready(record.backend, [record.live])
    proxy.set_weights(record.backend, {record.live: 100, book.other(record.live): 0})


def options(front: Front) -> Options:
    """Return what the proxy is told of a service."""
    return Options(
        names=tuple(front.names),
        port=front.port,
        tls_port=front.tls_port,
        tls=bool(front.tls),
        certificate=front.certificate,
        health_path=front.health_path,
        acme=acme_of(front.tls),
    )
