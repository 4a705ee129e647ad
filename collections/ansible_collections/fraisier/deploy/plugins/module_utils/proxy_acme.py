# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Certificates from an ACME authority: what the client is told, and what its words mean.

The client is certbot. It answers the authority on a port of loopback, where HAProxy sends what is
asked below `/.well-known/acme-challenge/`. Its folder is ours; a certbot of the host's own is not
touched.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from typing import Any, Callable, Mapping, Sequence

from . import proxy_config
from .commands import SYSTEM_PATH, Finished, run
from .failure import Failure
from .files import read_json, read_text, write_json

#: The subject of a certificate that we made ourselves.
STAND_IN = "Fraisier stand-in"
FOLDER = "/var/lib/fraisier/acme"
TEMPLATE, EVERY = "fraisier-acme@.service", "all"
SECONDS = 240.0
_ENV = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"}
_PROBLEM = re.compile(r"^\s*(Domain|Identifier|Type|Detail): +(.+)$")
_DOCUMENT = re.compile(
    r'\{\s*"type": "urn:ietf:params:acme:error:(\w+)",\s*"detail": "((?:[^"\\]|\\.)*)"'
)
_NOISE = re.compile(r"Saving debug log|^Ask for help|^See the logfile|^Hint:|^Certbot failed to")


class Client:
    """The unit that gets certificates; it begins and ends apart from whoever asks for it."""

    def __init__(
        self,
        units: str = "/etc/systemd/system",
        folder: str = FOLDER,
        runner: Callable[..., Finished] = run,
    ) -> None:
        self._unit = os.path.join(units, TEMPLATE)
        self._folder = folder
        self._run = runner

    def require(self) -> None:
        """Raise Failure `acme_missing` unless setup has made the unit."""
        if not os.path.exists(self._unit):
            raise Failure(
                "acme_missing",
                "this host has nothing that gets certificates from an ACME authority",
                "run: fraisier setup FRAISE ENVIRONMENT --yes",
            )

    def begin(self, backend: str) -> None:
        """Have a service's certificate got, and do not wait; raises Failure `acme_missing`."""
        self.require()
        self._start("--no-block", backend)

    def finish(self, backend: str) -> None:
        """Have a service's certificate got, and wait; raises Failure with the authority's words."""
        self.require()
        done = self._start("--job-mode=replace", backend)
        problem = self.problem(backend)
        if problem is None and done.code:
            problem = f"no certificate for {backend}: {done.output.strip() or 'its unit failed'}"
        if problem is not None:
            raise refused(problem)

    def problem(self, backend: str) -> str | None:
        """Return why the last try came to nothing; None where it did not, or there was none."""
        found = (read_json(self._path(backend)) or {}).get("problem")
        return None if found is None else str(found)

    def remember(self, backend: str, problem: str | None) -> None:
        """Write down how a try ended."""
        os.makedirs(os.path.dirname(self._path(backend)), 0o700, exist_ok=True)
        write_json(self._path(backend), {"at": time.time(), "problem": problem})

    def _start(self, how: str, backend: str) -> Finished:
        unit = TEMPLATE.replace("@", f"@{backend}")
        return self._run(["systemctl", "start", how, "--", unit], env=_ENV, timeout=SECONDS + 30)

    def _path(self, backend: str) -> str:
        return os.path.join(self._folder, "tries", f"{backend}.json")


def refused(problem: str) -> Failure:
    """Return the Failure of a certificate that could not be had."""
    return Failure(
        "acme_refused",
        problem,
        "see that each name leads to this host, and port 80 there to the proxy; then run: "
        "fraisier setup FRAISE ENVIRONMENT --yes",
    )


def obtain(
    name: str,
    names: Sequence[str],
    acme: Mapping[str, Any],
    folder: str = FOLDER,
    runner: Callable[..., Finished] = run,
) -> str:
    """Return a service's certificate with chain and key, got anew where it ends within weeks.

    Raises Failure `acme_refused` with the authority's words and the names.
    """
    lineage = lineage_of(name, acme)
    os.makedirs(folder, 0o700, exist_ok=True)
    done = runner(command(lineage, names, acme, folder), env=_ENV, timeout=SECONDS)
    if done.code:
        log = read_text(os.path.join(folder, "logs", "letsencrypt.log")) or ""
        raise refused(sentence(names, done, log))
    live = os.path.join(folder, "config", "live", lineage)
    parts = [read_text(os.path.join(live, part)) for part in ("fullchain.pem", "privkey.pem")]
    return "".join(f"{(part or '').strip()}\n" for part in parts)


def lineage_of(name: str, acme: Mapping[str, Any]) -> str:
    """Return what the client calls it; another authority is another certificate."""
    return f"{name}-{hashlib.sha256(acme['directory'].encode()).hexdigest()[:8]}"


def command(lineage: str, names: Sequence[str], acme: Mapping[str, Any], folder: str) -> list[str]:
    """Return what runs the client: one certificate for all names, and only where it is due."""
    account = (
        ["--email", str(acme["email"]), "--no-eff-email"]
        if acme.get("email")
        else ["--register-unsafely-without-email"]
    )
    return [
        *("certbot", "certonly", "--non-interactive", "--agree-tos", "--keep-until-expiring"),
        *("--standalone", "--preferred-challenges", "http"),
        *("--http-01-address", "127.0.0.1", "--http-01-port", str(proxy_config.ACME_PORT)),
        *("--config-dir", f"{folder}/config", "--work-dir", f"{folder}/work"),
        *("--max-log-backups", "5"),  # a log of its own for each run
        *("--logs-dir", f"{folder}/logs", "--server", str(acme["directory"]), *account),
        *("--cert-name", lineage, "--renew-with-new-domains"),
        *(word for name in names for word in ("-d", name)),
    ]


def sentence(names: Sequence[str], done: Finished, log: str = "") -> str:
    """Return what the authority said of which names, or the client's last words.

    `log`: the client's own of this run. What the authority says to an order as a whole, such as
    that there were too many, Debian 12's certbot loses (`can't set attribute`); there it stands.
    """
    start = f"no certificate for {', '.join(names)}: "
    if done.timed_out:
        return f"{start}the authority gave no answer for {SECONDS:g} s"
    words = [
        f"of {each.get('name')} the authority says: {each.get('Detail')} ({each.get('Type')})"
        for each in _said(done.output)
    ]
    words = words or [
        f"the authority says: {detail} ({kind})"
        for kind, detail in _DOCUMENT.findall(log)[-1:]
        if kind != "badNonce"
    ]
    lines = [line.strip() for line in done.output.splitlines() if line.strip()]
    plain = [line for line in lines if not _NOISE.search(line)]
    return start + ("; ".join(words) or " ".join(plain[-2:]) or f"certbot ended with {done.code}")


def _said(output: str) -> list[dict[str, str]]:
    """Return what the client tells of each name that was refused."""
    said: list[dict[str, str]] = []
    for found in filter(None, map(_PROBLEM.match, output.splitlines())):
        key, text = found.groups()
        if key in ("Domain", "Identifier"):
            said.append({"name": text.strip()})
        elif said:
            said[-1][key] = text.strip()
    return said


def stand_in(names: Sequence[str]) -> str:
    """Return a certificate of its own signature and its key, served until there is a real one."""
    with tempfile.TemporaryDirectory() as folder:
        cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        done = run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-keyout", key, "-out", cert, "-days", "365", "-subj", f"/CN={STAND_IN}",
             "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)],
            env=_ENV, timeout=60,
        )  # fmt: skip
        if done.code:
            raise Failure(
                "acme_missing",
                "openssl did not make the certificate that is served until there is a real one",
                "install openssl on the host",
                done.output,
            )
        return "".join(f"{(read_text(path) or '').strip()}\n" for path in (cert, key))
