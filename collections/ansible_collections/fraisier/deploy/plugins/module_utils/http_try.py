# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""One HTTP request whose time limit holds whatever the server does."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from .check import Check

BODY_LIMIT = 1024 * 1024
UNFIT = "its URL or a header has characters that no HTTP request can have"


def attempt(check: Check, limit: float) -> tuple[bool, str]:
    """Ask once; return whether the answer is the one wanted, and what was seen.

    Redirects are not followed; at most BODY_LIMIT bytes are read, and only where `body` matters.
    """
    end = time.monotonic() + limit
    slow = f"no answer within {limit:g} s"
    try:
        return _ask(check, urlsplit(check.url), end)
    except (socket.timeout, TimeoutError):
        return False, slow
    except (OSError, http.client.HTTPException, ValueError) as error:
        return False, slow if time.monotonic() >= end else _told(error)


def connect(host: str, port: int, end: float) -> socket.socket:
    """Connect to the first address that accepts, all of them before `end` (monotonic)."""
    problem: OSError = OSError(f"no address for {host}")
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    for family, kind, protocol, _name, address in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(max(0.001, end - time.monotonic()))
            connection.connect(address)
            return connection
        except OSError as error:
            connection.close()
            problem = error
    raise problem


def describe(error: BaseException) -> str:
    """Say in a few words what went wrong with a connection."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, (ConnectionError, http.client.BadStatusLine)):
        return "the connection was closed without an answer"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _told(error: Exception) -> str:
    """Say what went wrong with a request; Python's own words may hold its headers or its URL."""
    unfit = isinstance(error, (ValueError, http.client.InvalidURL))
    return UNFIT if unfit and not isinstance(error, OSError) else describe(error)


def _ask(check: Check, url: SplitResult, end: float) -> tuple[bool, str]:
    secure = url.scheme == "https"
    port = url.port or (443 if secure else 80)
    connection = http.client.HTTPConnection(url.hostname or "", port)
    raw = connect(url.hostname or "", port, end)
    timer = threading.Timer(max(0.0, end - time.monotonic()), _cut, (raw,))
    timer.daemon = True
    timer.start()
    try:
        connection.sock = _secured(raw, url.hostname or "", check) if secure else raw
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request(check.method, target, headers=_headers(check, url))
        return _judge(check, connection.getresponse(), end)
    finally:
        timer.cancel()
        timer.join()
        connection.close()
        raw.close()


def _judge(check: Check, response: http.client.HTTPResponse, end: float) -> tuple[bool, str]:
    seen = f"HTTP {response.status}"
    wanted = response.status in check.status if check.status else 200 <= response.status < 300
    if not wanted:
        return False, seen
    if check.body:
        text = response.read(BODY_LIMIT)
        if time.monotonic() >= end:
            raise socket.timeout
        if check.body.encode() not in text:
            return False, f"{seen}, and the body does not contain {check.body!r}"
    return True, seen


def _secured(raw: socket.socket, host: str, check: Check) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    if not check.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(raw, server_hostname=host)


def _headers(check: Check, url: SplitResult) -> dict[str, str]:
    ours = {"Host": url.netloc.rpartition("@")[2], "User-Agent": "fraisier", "Connection": "close"}
    return {**ours, **check.headers}


def _cut(connection: socket.socket) -> None:
    """Wake whoever reads from the connection: its time is over."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
