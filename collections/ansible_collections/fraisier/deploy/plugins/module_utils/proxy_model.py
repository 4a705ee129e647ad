# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What the proxy of a host is told of a service, and what it tells: plain values."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Mapping, Sequence

from .failure import Failure

#: The authority that certificates are got from where no other is said.
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
#: All requests: HAProxy takes 0 to 256, and a percentage is the same number.
ALL = 100
_NAME = re.compile(r"[A-Za-z0-9_.-]+\Z")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\Z")
_ADDRESS = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:_-]*\Z")
_MAIL = re.compile(r"[A-Za-z0-9._%+'/=?^{|}~!#$&*-]+@[A-Za-z0-9.-]+\Z")
_DIRECTORY = re.compile(r"https?://[\x21-\x7e]+\Z")
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*\Z")


@dataclass(frozen=True)
class Server:
    """Where a server listens. `weight`: what it begins with, in percent, once it is new.

    Without one a new server gets nothing, unless it is the backend's only one.
    """

    address: str
    port: int
    weight: int | None = None


@dataclass(frozen=True)
class Options:
    """How requests reach a service. `names`: by which host names, in none every request's is.

    `tls`: it is also asked on `tls_port`, and `port` only says so. `certificate`: the PEM of the
    certificate, its chain and its key; None leaves the one that is there. `acme`: who it is got
    from, `directory` and, where there is one, `email`. `health_path`: what the proxy asks each
    server for; None: whether it takes a connection.
    """

    names: Sequence[str] = ()
    port: int = 80
    tls_port: int = 443
    tls: bool = False
    certificate: str | None = field(default=None, repr=False)
    health_path: str | None = None
    acme: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Figures:
    """What a server did since the proxy's worker began, which a reload makes anew.

    `requests`: all that it was given, those that failed too. `connection_errors`: those without a
    whole answer. `response_seconds`: the mean of the last 1024. `sessions`: under way now. `up`:
    the proxy's own check has seen it well, which of a server that it has not yet asked it is not.
    """

    requests: int = 0
    errors_5xx: int = 0
    connection_errors: int = 0
    response_seconds: float = 0.0
    sessions: int = 0
    up: bool = False

    def since(self, before: Figures) -> Figures:
        """Return what came after `before`; all of it where a reload has begun the count anew."""
        if self.requests < before.requests:
            return self
        counts = ("requests", "errors_5xx", "connection_errors")
        gone = {n: max(0, getattr(self, n) - getattr(before, n)) for n in counts}
        return replace(self, **gone)


@dataclass(frozen=True)
class Place:
    """A server in our record. `weight`: what it is meant to get; `drained`: it gets nothing now."""

    address: str
    port: int
    weight: int = 0
    drained: bool = False


@dataclass(frozen=True)
class Backend:
    """A service as our record has it. `certificate`: the hash of its certificate, with tls.

    `acme`: whom its certificate is got from, as in Options.
    """

    name: str
    places: Mapping[str, Place]
    names: Sequence[str] = ()
    port: int = 80
    tls_port: int = 443
    tls: bool = False
    health_path: str | None = None
    certificate: str | None = None
    acme: Mapping[str, Any] | None = None

    def with_place(self, server: str, **changes: Any) -> Backend:
        """Return it with one server changed."""
        return replace(
            self, places={**self.places, server: replace(self.places[server], **changes)}
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Backend:
        """Rebuild it."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        places = {name: Place(**place) for name, place in data["places"].items()}
        return cls(**{**known, "places": places, "names": tuple(data.get("names", ()))})

    @property
    def ports(self) -> list[int]:
        """The ports that it is asked on."""
        return [self.port, self.tls_port] if self.tls else [self.port]


def backend_name(fraise: str, environment: str) -> str:
    """Return what the proxy calls a service: `my_api.production`."""
    return ".".join(re.sub(r"[^A-Za-z0-9_-]", "_", part) for part in (fraise, environment))


def changed_backend(
    old: Backend | None, name: str, servers: Mapping[str, Server], options: Options
) -> Backend:
    """Return the record of a service as it is wanted now; what serves keeps its weight.

    Raises Failure `service_invalid` for what must not stand in HAProxy's configuration.
    """
    known = old.places if old else {}
    alone = len(servers) == 1
    backend = Backend(
        name=name,
        places={each: _place(server, known.get(each), alone) for each, server in servers.items()},
        names=tuple(each.lower() for each in options.names),
        port=options.port,
        tls_port=options.tls_port,
        tls=options.tls,
        health_path=options.health_path,
        certificate=old.certificate if old and options.tls else None,
        acme=dict(options.acme) if options.tls and options.acme is not None else None,
    )
    require_valid(backend)
    return backend


def _place(server: Server, known: Place | None, alone: bool) -> Place:
    if known is not None:
        return replace(known, address=server.address, port=server.port)
    usual = ALL if alone else 0
    weight = usual if server.weight is None else server.weight
    return Place(server.address, server.port, weight)


def require_valid(backend: Backend) -> None:
    """Raise Failure where a value is not what it must be: all of them stand in a configuration."""
    ports = [*backend.ports, *(place.port for place in backend.places.values())]
    checks = [
        *((_NAME, name, "the name of a server") for name in (backend.name, *backend.places)),
        *((_HOST, name, "a host name for the proxy") for name in backend.names),
        *((_ADDRESS, place.address, "an address") for place in backend.places.values()),
        *((_PATH, path, "a health_path") for path in (backend.health_path,) if path is not None),
        *_acme_checks(backend.acme),
    ]
    wrong = [f"{text!r} is not {what}" for rule, text, what in checks if not rule.match(text)]
    wrong += [f"{port} is not a port" for port in ports if not 0 < port < 65536]
    wrong += [
        f"{place.weight} is not a weight from 0 to {ALL}"
        for place in backend.places.values()
        if not 0 <= place.weight <= ALL
    ]
    if backend.acme is not None and not backend.names:
        wrong.append("a certificate of an ACME authority is for names, and proxy.host has none")
    if wrong:
        raise Failure("service_invalid", wrong[0], "correct proxy in the configuration")


def _acme_checks(acme: Mapping[str, Any] | None) -> list[tuple[re.Pattern[str], str, str]]:
    if acme is None:
        return []
    mail = str(acme.get("email") or "")
    checks = [(_DIRECTORY, str(acme.get("directory")), "the URL of an ACME directory")]
    return [*checks, *([(_MAIL, mail, "an e-mail address")] if mail else [])]


def acme_of(tls: Any) -> dict[str, Any] | None:
    """Return whom the certificate is got from, by the option `tls` of a proxy; None for nobody."""
    if not isinstance(tls, Mapping) or tls.get("acme") is None:
        return None
    return {"directory": LETS_ENCRYPT, **{k: v for k, v in tls["acme"].items() if v}}


def require_unclaimed(backend: Backend, others: Sequence[Backend]) -> None:
    """Raise Failure `proxy_name_taken` where another service has a name, or every request."""
    for other in others:
        for port in sorted(set(backend.ports) & set(other.ports)):
            _require_apart(backend, other, port)
        plain, secure = (
            {backend.port, other.port},
            {each.tls_port for each in (backend, other) if each.tls},
        )
        if plain & secure:
            raise Failure(
                "proxy_port_taken",
                f"port {min(plain & secure)} cannot be for http and for https: "
                f"{backend.name} and {other.name} differ",
                "give one of them another port or tls_port",
            )


def _require_apart(backend: Backend, other: Backend, port: int) -> None:
    shared = sorted(set(backend.names) & set(other.names))
    if shared:
        raise Failure(
            "proxy_name_taken",
            f"{shared[0]} on port {port} is {other.name}'s, and {backend.name} wants it too",
            "give each service names of its own in proxy.host, or ports of its own",
        )
    if not backend.names and not other.names:
        raise Failure(
            "proxy_name_taken",
            f"{other.name} takes every request on port {port}, and {backend.name} wants to as well",
            "name the host of one of them in proxy.host, or give it another port",
        )
