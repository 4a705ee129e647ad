# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The proxy of a host: which services it knows, and how much of the traffic each server gets.

While HAProxy runs, what it does is the truth about weights, and the files are what it starts with
the next time. So a weight is set in the runtime first. A run that is killed before the file has it
leaves files that give the traffic back to whoever had it, after a restart of the machine; nobody
stops a server before the call that took its traffic has returned, so that one is still there. A
reload brings the weights of all services along from the runtime, so that one service's reload
never undoes another's shift.
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import time
from dataclasses import replace
from typing import Mapping, Sequence

from . import ports, proxy_acme, proxy_model
from .failure import Failure
from .proxy_config import by_name, certificate_file, fingerprint
from .proxy_files import ProxyFiles
from .proxy_model import ALL, Backend, Figures, Options, Server, backend_name
from .proxy_records import ProxyRecords, require_servers, unknown
from .proxy_runtime import Runtime

__all__ = ["ALL", "Figures", "Options", "Proxy", "Server", "backend_name"]

_POLL = 0.05


class Proxy:
    """HAProxy as `fraisier setup` leaves it on a host. Every method may raise Failure."""

    def __init__(
        self,
        root: str = "/etc/fraisier-proxy",
        socket: str = "/run/fraisier-proxy/admin.sock",
        state: str = "/var/lib/fraisier/proxy",
        listen: Sequence[str] | None = None,
        client: proxy_acme.Client | None = None,
    ) -> None:
        self._listen = tuple(listen) if listen else addresses()
        self._files = ProxyFiles(root, self._listen)
        self._runtime = Runtime(socket)
        self._records = ProxyRecords(state)
        self._client = client or proxy_acme.Client()

    @property
    def installed(self) -> bool:
        """True where setup has been."""
        return self._files.prepared

    def present(self) -> bool:
        """True where setup has installed it and it runs."""
        return self._files.prepared and self._runtime.alive()

    def require(self) -> None:
        """Raise Failure `proxy_missing` or `proxy_silent` unless it is present."""
        if not self._files.prepared:
            raise Failure(
                "proxy_missing",
                "this host has no proxy of Fraisier's",
                "run: fraisier setup FRAISE ENVIRONMENT --yes",
            )
        self._runtime.worker()

    def define(self, backend: str, servers: Mapping[str, Server], options: Options) -> bool:
        """Make a service known as it is wanted, without losing a request; True if that changed.

        Servers that stay keep their weights. Raises Failure `proxy_refused` with HAProxy's words,
        `proxy_name_taken`, `proxy_port_taken`, `proxy_certificate_missing`; then what was there
        serves on.
        """
        self.require()
        with self._records.locked():
            known = self._records.all()
            wanted = proxy_model.changed_backend(known.get(backend), backend, servers, options)
            others = [each for name, each in known.items() if name != backend]
            proxy_model.require_unclaimed(wanted, others)
            if wanted.acme is not None:
                self._client.require()
            wanted, certificate = self._certified(wanted, options)
            changed = self._apply({**known, backend: wanted}, certificate)
        if wanted.acme is not None and (changed or self.stand_in(backend)):
            self._client.begin(backend)
        return changed

    def certify(self, backend: str, certificate: str) -> bool:
        """Serve a certificate that came from the service's ACME authority; True if it is new.

        `certificate`: PEM, with chain and key. Raises as `define`: then the one before serves on.
        """
        self.require()
        with self._records.locked():
            known = self._records.all()
            if backend not in known or known[backend].acme is None:
                return False
            digest = hashlib.sha256(certificate.encode()).hexdigest()
            if digest == known[backend].certificate:
                return False
            wanted = replace(known[backend], certificate=digest)
            return self._apply({**known, backend: wanted}, {backend: certificate})

    def defined(self, backend: str, servers: Mapping[str, Server], options: Options) -> bool:
        """True where `define` would change nothing that is recorded; raises as it does."""
        known = self._records.all()
        wanted = proxy_model.changed_backend(known.get(backend), backend, servers, options)
        others = [each for name, each in known.items() if name != backend]
        proxy_model.require_unclaimed(wanted, others)
        if wanted.acme is not None and self._files.read(certificate_file(backend)) is None:
            return False
        return self._certified(wanted, options)[0] == known.get(backend)

    def described(self, backend: str) -> str:
        """Return a service's part of the configuration as it stands; empty where it has none."""
        return self._files.read(f"50-{backend}.cfg") or ""

    def preview(self, backend: str, servers: Mapping[str, Server], options: Options) -> str:
        """Return a service's part of the configuration as `define` would write it."""
        known = self._records.all().get(backend)
        wanted = proxy_model.changed_backend(known, backend, servers, options)
        return self._files.wanted([wanted], {})[f"50-{backend}.cfg"] or ""

    def weights(self, backend: str) -> dict[str, int]:
        """Return what each server gets of the requests now, in percent where they add up to 100."""
        found = self._runtime.weights(backend)
        if not found:
            raise unknown(backend)
        return found

    def set_weights(self, backend: str, weights: Mapping[str, int]) -> bool:
        """Change what servers get, at once and for good; 0 is nothing new. True if it changed."""
        with self._records.locked():
            record, before = self._records.get(backend), self.weights(backend)
            require_servers(record, weights)
            rising = sorted(weights, key=lambda name: before.get(name, 0) - weights[name])
            for name in rising:  # first those that get more: at no moment has nobody any
                if not record.places[name].drained:
                    self._runtime.tell(f"set server {backend}/{name} weight {weights[name]}")
                record = record.with_place(name, weight=weights[name])
            changed = self._remember(record)
            return changed or self.weights(backend) != before

    def drain(self, backend: str, servers: Sequence[str], timeout: float) -> bool:
        """Give servers nothing new, and wait until they are done; True if they are in time.

        They stay drained, over reloads and restarts, until `ready`. Soon after a reload it also
        waits for the connections of clients that were open before it.
        """
        with self._records.locked():
            record = self._records.get(backend)
            require_servers(record, servers)
            for name in servers:
                self._runtime.tell(f"set server {backend}/{name} state drain")
                record = record.with_place(name, drained=True)
            self._remember(record)
        limit = time.monotonic() + timeout
        while self._runtime.sessions(backend, servers) or not self._runtime.settled():
            if time.monotonic() > limit:
                return False
            time.sleep(_POLL)
        return True

    def drained(self, backend: str) -> list[str]:
        """Return the servers that are drained, by our record."""
        places = self._records.get(backend).places
        return sorted(name for name, place in places.items() if place.drained)

    def ready(self, backend: str, servers: Sequence[str]) -> bool:
        """Take servers back that were drained, with the weights they are meant to have."""
        with self._records.locked():
            record = self._records.get(backend)
            require_servers(record, servers)
            for name in servers:
                if record.places[name].drained:
                    weight = record.places[name].weight
                    self._runtime.tell(f"set server {backend}/{name} weight {weight}")
                self._runtime.tell(f"set server {backend}/{name} state ready")
                record = record.with_place(name, drained=False)
            return self._remember(record)

    def figures(self, backend: str) -> dict[str, Figures]:
        """Return what each server did since the last reload, and whether it is up."""
        found = self._runtime.figures(backend)
        if not found:
            raise unknown(backend)
        return found

    def remove(self, backend: str) -> bool:
        """Take a service from the proxy; True if it was there."""
        with self._records.locked():
            known = self._records.all()
            if backend not in known:
                return False
            self.require()
            rest = {name: each for name, each in known.items() if name != backend}
            return self._apply(rest, {}, gone=[backend])

    def certificate_until(self, backend: str) -> float | None:
        """Return when the certificate that is served ends, in Unix time; None without one."""
        path = os.path.join(self._files.root, certificate_file(backend))
        found = re.search(r"^notAfter: (.+)$", self._runtime.ask(f"show ssl cert {path}"), re.M)
        return ssl.cert_time_to_seconds(found.group(1).strip()) if found else None

    def stand_in(self, backend: str) -> bool:
        """True where no authority's certificate is served, but one that we made for the time."""
        path = os.path.join(self._files.root, certificate_file(backend))
        return proxy_acme.STAND_IN in self._runtime.ask(f"show ssl cert {path}")

    def acme(self) -> dict[str, Backend]:
        """Return the services whose certificates are got from an ACME authority, by name."""
        return {name: each for name, each in self._records.all().items() if each.acme is not None}

    def backends(self) -> list[str]:
        """Return the names of the services that are known."""
        return sorted(self._records.all())

    def _certified(self, wanted: Backend, options: Options) -> tuple[Backend, dict[str, str]]:
        """Return the record with its certificate's hash, and the certificate where it is new."""
        if not wanted.tls:
            return wanted, {}
        text = options.certificate
        if text is None:
            if self._files.read(certificate_file(wanted.name)) is not None:
                return wanted, {}
            if wanted.acme is None:
                raise Failure(
                    "proxy_certificate_missing",
                    f"{wanted.name} has tls, and neither certificate nor key were given",
                    "set proxy.tls.cert and proxy.tls.key",
                )
            text = proxy_acme.stand_in(wanted.names)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return replace(wanted, certificate=digest), {wanted.name: text}

    def _apply(
        self,
        backends: Mapping[str, Backend],
        certificates: Mapping[str, str],
        gone: Sequence[str] = (),
    ) -> bool:
        """Make files and HAProxy know these services; True if anything changed."""
        before = self._records.all()
        backends = {name: self._as_it_runs(each) for name, each in backends.items()}
        files = self._files.wanted(by_name(backends), self._pems(backends, certificates), gone)
        differing = self._files.differing(files)
        mark = fingerprint(by_name(backends), self._listen)
        if self._records.loaded == mark:  # at most weights differ, and those the runtime has
            self._write_down(backends, gone)
            self._files.put(differing)
            return bool(differing) or backends != before
        self._files.try_out(by_name(backends), files)
        self._require_ports(before, backends)
        old = self._files.put(differing)
        if not self._runtime.reload():
            self._files.put(old)
            self._runtime.reload(2.0)
            raise Failure(
                "proxy_refused",
                "HAProxy did not start with the new configuration, which was taken back",
                "on the host: journalctl -u fraisier-proxy -n 30",
            )
        self._write_down(backends, gone)
        self._records.loaded = mark
        self._drain_again(backends)
        return True

    def _write_down(self, backends: Mapping[str, Backend], gone: Sequence[str]) -> None:
        for backend in backends.values():
            self._records.write(backend)
        for name in gone:
            self._records.forget(name)

    def _pems(
        self, backends: Mapping[str, Backend], new: Mapping[str, str]
    ) -> dict[str, str | None]:
        unsecured = {name: None for name, each in backends.items() if not each.tls}
        return {**unsecured, **new}

    def _as_it_runs(self, backend: Backend) -> Backend:
        """Return a record with the weights that the runtime has."""
        for name, weight in self._runtime.weights(backend.name).items():
            if name in backend.places and not backend.places[name].drained:
                backend = backend.with_place(name, weight=min(weight, ALL))
        return backend

    def _drain_again(self, backends: Mapping[str, Backend]) -> None:
        for backend in backends.values():
            for name, place in backend.places.items():
                if place.drained:
                    self._runtime.tell(f"set server {backend.name}/{name} state drain")

    def _require_ports(
        self, before: Mapping[str, Backend], backends: Mapping[str, Backend]
    ) -> None:
        ours = {port for each in before.values() for port in each.ports}
        for port in sorted({port for each in backends.values() for port in each.ports} - ours):
            if not all(ports.bindable(port, address) for address in self._addresses()):
                raise Failure(
                    "proxy_port_taken",
                    f"something else listens on port {port} of this host",
                    f"see which: ss -ltnp 'sport = :{port}'; stop it, or set proxy.port, tls_port",
                )

    def _addresses(self) -> list[str]:
        return ["" if address in ("*", "::") else address for address in self._listen]

    def _remember(self, backend: Backend) -> bool:
        """Write weights down, in the record and in the file that HAProxy starts with."""
        changed = self._records.get(backend.name) != backend
        if changed:
            self._records.write(backend)
        files = self._files.wanted([backend], {})
        own = f"50-{backend.name}.cfg"
        self._files.put(self._files.differing({own: files[own]}))
        return changed


def addresses() -> tuple[str, ...]:
    """Return the addresses to listen on: every one of the host."""
    return ("::",) if os.path.exists("/proc/net/if_inet6") else ("*",)
