# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""HAProxy's configuration from our records: pure texts, by their path below the folder."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from typing import Mapping, Sequence

from .proxy_model import Backend

GLOBAL, FRONTEND, MAP, CERTIFICATES = "00-global.cfg", "10-frontend.cfg", "hosts.map", "certs"
#: Seconds that a client's idle connection is kept.
KEEP_ALIVE = 10
MARK = "# Written by Fraisier; changes are lost."
#: Where the ACME client answers, while it works; only root may listen on a port below 1024.
ACME_PORT = 402
_ACME = "fraisier-acme"
_CHALLENGE = "path_beg /.well-known/acme-challenge/"
#: What a name that nobody has is mapped to.
_NOBODY = "-"


def global_text(socket: str, user: str | None = "haproxy", group: str | None = "haproxy") -> str:
    """Return the part that setup writes: the process, its socket, and what all services share.

    `user`: whom the worker becomes once it listens; None where it stays who it is.
    """
    account = [f"    user {user}", f"    group {group}"] if user else []
    return "\n".join(
        [
            MARK,
            "global",
            f"    stats socket {socket} mode 600 level admin expose-fd listeners",
            "    stats timeout 2m",
            "    log /dev/log local0 info",
            *account,
            "    maxconn 8000",
            "    hard-stop-after 15m",
            "    tune.ssl.default-dh-param 2048",
            "    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets",
            "",
            "defaults",
            "    mode http",
            "    log global",
            "    option httplog",
            "    option dontlognull",
            "    # a client's idle connection is told of a reload with its next answer, not cut",
            "    option idle-close-on-response",
            "    # only what no server has received is tried again",
            "    retries 3",
            "    retry-on conn-failure",
            "    option redispatch 1",
            "    http-reuse safe",
            "    timeout connect 4s",
            "    timeout queue 30s",
            "    timeout http-request 30s",
            f"    timeout http-keep-alive {KEEP_ALIVE}s",
            "    timeout client 10m",
            "    timeout server 10m",
            "    timeout tunnel 1h",
            "    timeout check 4s",
            "",
            "# there must be one, or HAProxy does not start before the first service",
            "frontend fraisier-self",
            f"    bind unix@{os.path.join(os.path.dirname(socket), 'self.sock')} mode 600",
            '    http-request return status 200 content-type text/plain string "fraisier\\n"',
            "",
        ]
    )


def render(
    root: str, backends: Sequence[Backend], listen: Sequence[str] = ("*",)
) -> dict[str, str]:
    """Return every file of ours for the services, but setup's and the certificates.

    `root`: the folder that they are read from. `listen`: the addresses of the frontends.
    """
    backends = sorted(backends, key=lambda each: each.name)
    files = {f"50-{each.name}.cfg": _backend(each) for each in backends}
    files[MAP] = _map(backends)
    files[FRONTEND] = _frontends(root, backends, listen)
    return files


def fingerprint(backends: Sequence[Backend], listen: Sequence[str]) -> str:
    """Return a hash of all that takes a reload to be heard: not of weights."""
    still = [
        replace(
            each,
            places={
                name: replace(place, weight=0, drained=False) for name, place in each.places.items()
            },
        )
        for each in backends
    ]
    data = [render("", still, listen), [[each.name, each.certificate] for each in still]]
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def certificate_file(backend: str) -> str:
    """Return the path of a service's certificate below the folder."""
    return os.path.join(CERTIFICATES, f"{backend}.pem")


def _backend(backend: Backend) -> str:
    lines = [MARK, f"backend {backend.name}", "    balance roundrobin"]
    if backend.health_path is not None:
        host = backend.names[0] if backend.names else "localhost"
        lines += [
            "    option httpchk",
            f'    http-check send meth GET uri "{_quoted(backend.health_path)}" ver HTTP/1.1 '
            f"hdr Host {host} hdr User-Agent fraisier-proxy hdr Connection close",
            "    http-check expect status 200-399",
        ]
    lines.append("    default-server check inter 500ms fall 2 rise 1 init-addr last,libc,none")
    for name, place in sorted(backend.places.items()):
        address = f"[{place.address}]" if ":" in place.address else place.address
        weight = 0 if place.drained else place.weight
        lines.append(f"    server {name} {address}:{place.port} weight {weight}")
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")


def _map(backends: Sequence[Backend]) -> str:
    lines = [
        f"{port}/{name} {each.name}"
        for each in backends
        for port in each.ports
        for name in (each.names or ("*",))
    ]
    return "\n".join([MARK, *sorted(lines), ""])


def _frontends(root: str, backends: Sequence[Backend], listen: Sequence[str]) -> str:
    plain = sorted({each.port for each in backends})
    secure = sorted({each.tls_port for each in backends if each.tls})
    texts = [_plain(root, port, backends, listen) for port in plain]
    texts += [_secure(root, port, listen) for port in secure]
    if any(each.acme is not None for each in backends):
        texts.append(f"backend {_ACME}\n    retries 0\n    server client 127.0.0.1:{ACME_PORT}")
    return "\n".join([MARK, *texts, ""])


def _plain(root: str, port: int, backends: Sequence[Backend], listen: Sequence[str]) -> str:
    moved = [each for each in backends if each.tls and each.port == port]
    return "\n".join(
        [
            f"frontend http-{port}",
            *_binds(port, listen),
            *_route(root, port),
            *(_redirect(each) for each in moved),
            *_forwarded("http"),
            *(_challenge(each) for each in moved if each.acme is not None),
            "    use_backend %[var(txn.service)]",
        ]
    )


def _secure(root: str, port: int, listen: Sequence[str]) -> str:
    folder = os.path.join(root, CERTIFICATES)
    return "\n".join(
        [
            f"frontend https-{port}",
            *(f"{bind} ssl crt {folder}/ alpn h2,http/1.1" for bind in _binds(port, listen)),
            *_route(root, port),
            *_forwarded("https"),
            "    use_backend %[var(txn.service)]",
        ]
    )


def _binds(port: int, listen: Sequence[str]) -> list[str]:
    return [
        f"    bind {address}:{port}" + (" v4v6" if address == "::" else "") for address in listen
    ]


def _route(root: str, port: int) -> list[str]:
    """Return the lines that find whose a request is: by its name, else who takes every name."""
    path = os.path.join(root, MAP)
    nobody = f"{{ var(txn.service) -m str -- {_NOBODY} }}"
    return [
        "    http-request set-var(txn.name) req.hdr(host),field(1,:),lower",
        f"    http-request set-var(txn.service) str({port}/),concat(,txn.name),"
        f"map_str({path},{_NOBODY})",
        f"    http-request set-var(txn.service) str({port}/*),map_str({path},{_NOBODY}) "
        f"if {nobody}",
        "    http-request return status 421 content-type text/plain "
        f'string "no service of this host has that name\\n" if {nobody}',
    ]


def _redirect(backend: Backend) -> str:
    port = "" if backend.tls_port == 443 else f":{backend.tls_port}"
    return (
        f"    http-request redirect code 308 location https://%[var(txn.name)]{port}%[pathq] "
        f"if {{ var(txn.service) -m str {backend.name} }} {{ var(txn.name) -m found }} "
        f"!{{ {_CHALLENGE} }}"
    )


def _challenge(backend: Backend) -> str:
    """Return the line that gives the authority's questions for a service to the ACME client."""
    return (
        f"    use_backend {_ACME} if {{ {_CHALLENGE} }} "
        f"{{ var(txn.service) -m str {backend.name} }}"
    )


def _forwarded(scheme: str) -> list[str]:
    """Return the lines that tell a service who asks; what a client says of itself is dropped."""
    return [
        "    http-request del-header Forwarded",
        "    http-request set-header X-Forwarded-For %[src]",
        f"    http-request set-header X-Forwarded-Proto {scheme}",
        "    http-request set-header X-Forwarded-Host %[req.hdr(host)]",
    ]


def by_name(backends: Mapping[str, Backend]) -> list[Backend]:
    """Return the services in the order of their names."""
    return [backends[name] for name in sorted(backends)]
