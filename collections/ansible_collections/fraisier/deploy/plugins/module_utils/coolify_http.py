# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Talking to Coolify's API: one request whose time limit holds, and what its answers mean."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Mapping
from urllib.parse import quote, urlencode, urlsplit

from . import coolify_answers as answers
from .failure import Failure
from .headers import without_queries
from .http_try import _cut as cut
from .http_try import connect, describe

PREFIX = "/api/v1"
BODY_LIMIT = 16 * 1024 * 1024  # bytes: a deployment's log can be long
PATIENCE = 20.0  # seconds for which a request that is safe to repeat is repeated
LIMITED = 120.0  # seconds to wait at most where Coolify limits the rate of requests
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0


@dataclass(frozen=True)
class Place:
    """Where Coolify is. `timeout`: seconds for one request; `ca_file` None: the system's."""

    url: str
    token: str = field(repr=False)
    timeout: float = 30.0
    validate_certs: bool = True
    ca_file: str | None = None


class Api:
    """Coolify's API as its token may use it. What goes wrong is raised as Failure.

    The token stands in a header of each request and nowhere else; bodies are never told.
    """

    def __init__(self, place: Place, patience: float | None = None) -> None:
        self._place = place
        self._patience = PATIENCE if patience is None else patience
        self._limited = LIMITED if patience is None else patience

    def get(self, *path: str, **query: Any) -> Any:
        """Ask, again and again while the fault may pass; returns the answer's JSON."""
        limit = time.monotonic() + self._patience
        pause = FIRST_PAUSE
        while True:
            try:
                return self.send("GET", *path, **query)
            except Failure as failure:
                if failure.code not in answers.PASSING or time.monotonic() + pause > limit:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def send(self, method: str, *path: str, body: Any = None, **query: Any) -> Any:
        """Send a request once, and return the answer's JSON.

        One that was refused for its rate (429) was not taken, and is sent again after the time
        that Coolify names, if that is not too long. Failure `coolify_silent`,
        `coolify_error` and `coolify_unexpected` leave open whether it was taken.
        """
        limit = time.monotonic() + self._limited
        target = PREFIX + "".join("/" + quote(part, safe="") for part in path)
        target += "?" + urlencode({k: _word(v) for k, v in query.items()}) if query else ""
        while True:
            status, headers, text = self._ask(method, target, body)
            wait = answers.wait_of(status, headers)
            if wait is None or time.monotonic() + wait > limit:
                return answers.read(status, headers, text, f"{method} {target.partition('?')[0]}")
            time.sleep(wait)

    def _ask(self, method: str, target: str, body: Any) -> tuple[int, Mapping[str, str], bytes]:
        url, end = urlsplit(self._place.url), time.monotonic() + self._place.timeout
        secure = url.scheme == "https"
        host, port = url.hostname or "", url.port or (443 if secure else 80)
        try:
            raw = connect(host, port, end)
        except (OSError, UnicodeError) as error:
            raise answers.unreachable(without_queries(self._place.url), self._why(error)) from None
        timer = threading.Timer(max(0.0, end - time.monotonic()), cut, (raw,))
        timer.daemon = True
        timer.start()
        connection = http.client.HTTPConnection(host, port)
        try:
            connection.sock = self._secured(raw, host) if secure else raw
            data = None if body is None else json.dumps(body).encode()
            connection.request(
                method, url.path.rstrip("/") + target, data, self._headers(url.netloc, body)
            )
            response = connection.getresponse()
            text = response.read(BODY_LIMIT)
            return response.status, {k.lower(): v for k, v in response.getheaders()}, text
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = self._late if time.monotonic() >= end else self._why(error)
            raise answers.silent(without_queries(self._place.url), why) from None
        finally:
            timer.cancel()
            timer.join()
            connection.close()
            raw.close()

    @property
    def _late(self) -> str:
        return f"no whole answer within {self._place.timeout:g} s (request_timeout)"

    def _why(self, error: BaseException) -> str:
        return self._late if isinstance(error, (socket.timeout, TimeoutError)) else describe(error)

    def _secured(self, raw: socket.socket, host: str) -> ssl.SSLSocket:
        try:
            context = ssl.create_default_context(cafile=self._place.ca_file)
            if not self._place.validate_certs:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            return context.wrap_socket(raw, server_hostname=host)
        except (ssl.SSLError, FileNotFoundError, PermissionError) as error:
            raise answers.no_tls(without_queries(self._place.url), describe(error)) from None

    def _headers(self, host: str, body: Any) -> dict[str, str]:
        given = {} if body is None else {"Content-Type": "application/json"}
        return {
            "Host": host.rpartition("@")[2],
            "Authorization": f"Bearer {self._place.token}",
            "Accept": "application/json",
            "User-Agent": "fraisier",
            "Connection": "close",
            **given,
        }


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
