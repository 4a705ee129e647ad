"""The wire of the fake Coolify: HTTP, tokens, faults, and the document held to both sides."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.coolify_document import Broken, Operation, check_answer, check_request, operation

Json = dict[str, Any]
TOKEN = "1|a-token-of-coolify-that-stays-out-of-everything"
ABILITY = {"GET": "read", "PATCH": "write", "DELETE": "write", "POST": "deploy"}


@dataclass
class Fault:
    """Something that goes wrong with the next `times` requests that match `on`.

    `kind`: status (a 429 has `retry_after`), reset, hang (seconds), truncated, lost: the
    request is carried out and its answer is not given, and body: `body` is given instead of it.
    """

    on: str
    kind: str
    status: int = 500
    times: int = 1
    retry_after: int | None = None
    seconds: float = 0.0
    body: bytes = b""


class Wire:
    """A server that lets requests through to `act` when they keep to the document.

    `tokens` have abilities, `faults` go wrong, `requests` are those that were carried out, with
    their status, and `broken` says what did not keep to the document.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._closing = threading.Event()
        self.tokens: dict[str, set[str]] = {TOKEN: {"read", "write", "deploy", "read:sensitive"}}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, int]] = []
        self.broken: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    def secure(self, certificate: str, key: str) -> None:
        """Speak TLS from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_port}"

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering; nobody hangs any longer."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def asked(self, what: str) -> int:
        """Return how often a request was carried out whose line has this in it."""
        return sum(what in f"{method} {path}" for method, path, _status in self.requests)

    def act(
        self, called: Operation, query: dict[str, list[str]], body: Any, may: set[str]
    ) -> tuple[int, Any]:
        """Carry a request out; returns the status and the answer."""
        raise NotImplementedError

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _all(self) -> None:
                with suppress(OSError):
                    outer._serve(self)

            do_GET = do_POST = do_PATCH = do_DELETE = _all  # noqa: N815

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

        return Handler

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        raw = handler.rfile.read(length) if length else b""
        url = urlsplit(handler.path)
        fault = self._fault(f"{handler.command} {url.path}")
        if fault is not None and fault.kind == "reset":
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()
            return
        if fault is not None and fault.kind == "hang":
            self._closing.wait(fault.seconds)
            return
        if fault is not None and fault.kind == "status":
            self._send(
                handler, fault.status, {"message": "Something went wrong."}, fault.retry_after
            )
            return
        with self.lock:
            status, data = self._judge(handler, url.path, parse_qs(url.query), raw)
            self.requests.append((handler.command, url.path, status))
        if fault is not None and fault.kind == "lost":
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        instead = fault.body if fault and fault.kind == "body" else None
        cut = bool(fault and fault.kind == "truncated")
        self._send(handler, status, data, None, cut=cut, instead=instead)

    def _fault(self, line: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.on in line and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def _send(
        self, handler: BaseHTTPRequestHandler, status: int, data: Any,
        retry_after: int | None = None, cut: bool = False, instead: bytes | None = None,
    ) -> None:  # fmt: skip
        text = json.dumps(data).encode() if instead is None else instead
        text = text[: len(text) // 2] if cut else text
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(text)))
        if retry_after is not None:
            handler.send_header("Retry-After", str(retry_after))
        handler.end_headers()
        handler.wfile.write(text)

    def _judge(
        self, handler: BaseHTTPRequestHandler, path: str, query: dict[str, list[str]], raw: bytes
    ) -> tuple[int, Any]:
        called = operation(handler.command, path)
        if called is None:
            self.broken.append(f"{handler.command} {path}: not in the document")
            return 404, {"message": "Not found."}
        status, data = self._answer(called, handler, query, raw)
        try:
            check_answer(called, status, data)
        except Broken as error:
            self.broken.append(f"{called.name} answered {status}: {error}")
        return status, data

    def _answer(
        self,
        called: Operation,
        handler: BaseHTTPRequestHandler,
        query: dict[str, list[str]],
        raw: bytes,
    ) -> tuple[int, Any]:
        kind, _, token = (handler.headers.get("Authorization") or "").partition(" ")
        abilities = self.tokens.get(token) if kind == "Bearer" else None
        if abilities is None:
            return 401, {"message": "Unauthenticated."}
        needed = ABILITY[handler.command]
        if needed not in abilities:
            return 403, {"message": f"Missing required permissions: {needed}"}
        try:
            body = json.loads(raw) if raw else None
            check_request(called, query, body)
        except (Broken, ValueError) as error:
            self.broken.append(f"{called.name}: {error}")
            return 422, {"message": "Validation failed.", "errors": {"request": [str(error)]}}
        return self.act(called, query, body, abilities)
