# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Both colours of a service in containers on this host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from .colour_ground import options, recorded, straighten, traffic
from .colour_pair import Pair, Traffic
from .colours import COLOURS, Colours
from .compose_activate import healthy, needed_run, record_hashes, run_up
from .compose_colours import coloured, inner_port
from .compose_containers import containers
from .compose_engine import STOP_SECONDS, last_line
from .compose_names import colour_name
from .compose_project import text_of
from .compose_site import ComposeSite, content_of
from .failure import Failure
from .files import read_text, write_atomic
from .front import Front
from .proxy_model import Server
from .releases import Release


class ComposePair(Pair):
    """The colours of a service in containers; `ground` is its site."""

    def __init__(
        self, ground: ComposeSite, front: Front, traffic: Traffic, record: Colours
    ) -> None:
        super().__init__(cast(Any, ground), front, traffic, record)
        self.ground = ground

    def name(self, colour: str) -> str:
        """Return what the service is called as a colour."""
        return colour_name(self.ground.service.service, colour)

    def start(self, colour: str, release: Release) -> None:
        """Bring a release up as a colour."""
        file = self.file(colour)
        write_atomic(file, self.text(colour, release), 0o600)
        run_up(self.ground, release, self.name(colour), file)
        record_hashes(self.ground, release, plain=False)

    def pass_gate(self, colour: str, fresh: bool) -> None:
        """Pass the gate on the colour's own port; raises Failure."""
        healthy(self.ground, fresh, self.name(colour), self.record.ports[colour])

    def file(self, colour: str) -> str:
        """Return the Compose file that a colour was started from."""
        return f"{self.ground.layout.state}/{colour}.json"

    def text(self, colour: str, release: Release) -> str:
        """Return the Compose file by which a release runs as a colour."""
        project, _environment = self.ground.stored(release.id)
        service, port = self.ground.service.service, self.record.ports[colour]
        inner = inner_port(project, service, self.front.app_port)
        return text_of(coloured(project, service, colour, port, inner))

    def runs(self, colour: str, release: Release) -> bool:
        """True when a colour is up with this release, as it would be started now."""
        if read_text(self.file(colour)) != self.text(colour, release):
            return False
        found = containers(self.ground.docker, self.ground.name)
        mine = [c for c in found if c.service == self.name(colour)]
        up = bool(mine) and all(c.running and c.image_id == content_of(release) for c in mine)
        return up and needed_run(self.ground, release, found)

    def stop(self, colour: str) -> None:
        """Stop a colour and remove its containers; the record says first that it has no release."""
        if self.record.staged == colour:
            self.save(self.record.without_staged())
        elif self.record.release_of(colour):
            self.save(self.record.with_release(colour, None))
        remove(self.ground, self.name(colour))

    def stop_plain(self) -> None:
        """Stop what served before there were colours, and remove its containers."""
        if containers(self.ground.docker, self.ground.name, self.ground.service.service):
            with self.ground.report.step("stop plain container") as step:
                step["changed"] = True
                remove(self.ground, self.ground.service.service)


def open_pair(site: ComposeSite) -> ComposePair:
    """Return the colours of a site, known to the proxy as the configuration has them now.

    Hold the fence. Raises Failure where the proxy is missing, or refuses what it is told.
    """
    front = site.front
    if front is None or not front.colours:
        raise Failure(
            "colours_missing",
            f"{site.service.fraise} has no proxy on this host, and with it no colours",
            "set proxy in the environment, without hosts of its own",
        )
    proxy = traffic()
    proxy.require()
    with site.report.step("proxy") as step:
        record = recorded(cast(Any, site), replace(front, app_port=None))
        servers = {colour: Server("127.0.0.1", record.ports[colour]) for colour in COLOURS}
        step["changed"] = proxy.define(record.backend, servers, options(front))
        site.changed |= step["changed"]
    pair = ComposePair(site, front, proxy, record)
    straighten(pair)
    return pair


def remove(site: ComposeSite, name: str) -> None:
    """Stop and remove the containers of a service; volumes, networks and all others stay."""
    ids = [c.id for c in containers(site.docker, site.name, name)]
    for words in (["stop", "--", *ids], ["rm", "--", *ids]) if ids else ():
        site.changed = True
        finished = site.docker.do(*words, timeout=STOP_SECONDS)
        if finished.code != 0:
            raise Failure(
                "stop_failed",
                f"{name} could not be stopped: {last_line(finished.output)}",
                "see its containers: docker ps --all",
                finished.output,
            )
