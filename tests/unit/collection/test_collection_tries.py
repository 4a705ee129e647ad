"""One try of each kind of check, against real servers that answer, hang, drip or lie."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.check import Check
from ansible_collections.fraisier.deploy.plugins.module_utils.health import Place, attempt

Answer = Callable[[socket.socket, threading.Event], None]


class Server:
    """Answers each connection with one function, until closed."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.asked: list[bytes] = []
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/health?full=1"

    def close(self) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._one, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.asked.append(connection.recv(65536))
                self._answer(connection, self._closing)
            except OSError:
                return


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Server]]:
    servers: list[Server] = []

    def start(answer: Answer) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


Serve = Callable[[Answer], Server]


def _says(status: str, body: bytes = b"all is well", headers: str = "") -> Answer:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode()
    return lambda connection, _closing: connection.sendall(head + body)


def _hangs(_connection: socket.socket, closing: threading.Event) -> None:
    closing.wait(30)


def _drips_its_headers(connection: socket.socket, closing: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not closing.wait(0.02):
        connection.sendall(b"a")


def _drips_its_body(connection: socket.socket, closing: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not closing.wait(0.02):
        connection.sendall(b"a")


def _try(check: Check, limit: float = 5.0, place: Place | None = None) -> tuple[bool, str]:
    return attempt(check, place or Place(), limit)


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "299 Odd"])
def test_any_2xx_is_healthy(serve: Serve, status: str) -> None:
    server = serve(_says(status))
    assert _try(Check("http", url=server.url)) == (True, f"HTTP {status[:3]}")


@pytest.mark.parametrize("status", ["500 Oh", "404 No", "302 Found", "101 Switching"])
def test_any_other_status_is_not(serve: Serve, status: str) -> None:
    server = serve(_says(status, headers="Location: http://127.0.0.1:1/\r\n"))
    assert _try(Check("http", url=server.url)) == (False, f"HTTP {status[:3]}")
    assert len(server.asked) == 1


def test_a_status_of_ones_own_can_be_wanted(serve: Serve) -> None:
    server = serve(_says("401 Who"))
    assert _try(Check("http", url=server.url, status=(401, 403)))[0]
    assert not _try(Check("http", url=server.url, status=(200,)))[0]


def test_the_body_can_be_asked_for_a_text(serve: Serve) -> None:
    server = serve(_says("200 OK", b'{"status": "ready"}'))
    assert _try(Check("http", url=server.url, body="ready"))[0]
    healthy, seen = _try(Check("http", url=server.url, body="done"))
    assert not healthy
    assert seen == "HTTP 200, and the body does not contain 'done'"


def test_the_request_is_the_one_configured(serve: Serve) -> None:
    server = serve(_says("200 OK"))
    check = Check("http", url=server.url, method="HEAD", headers={"Host": "api.example.com"})
    assert _try(check)[0]
    request = server.asked[0].decode()
    assert request.startswith("HEAD /health?full=1 HTTP/1.1\r\n")
    assert "Host: api.example.com" in request
    assert "127.0.0.1" not in request


@pytest.mark.parametrize("answer", [_hangs, _drips_its_headers, _drips_its_body])
def test_a_server_that_hangs_or_drips_gets_no_more_than_its_time(
    serve: Serve, answer: Answer
) -> None:
    server = serve(answer)
    began = time.monotonic()
    healthy, seen = _try(Check("http", url=server.url, body="x"), limit=0.3)
    assert (healthy, seen) == (False, "no answer within 0.3 s")
    assert time.monotonic() - began < 30


def test_a_port_nobody_listens_on_is_a_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert _try(Check("http", url=f"http://127.0.0.1:{port}/")) == (False, "connection refused")
    assert _try(Check("tcp", host="127.0.0.1", port=port)) == (False, "connection refused")


def test_a_server_that_hangs_up_is_not_healthy(serve: Serve) -> None:
    server = serve(lambda _connection, _closing: None)
    healthy, seen = _try(Check("http", url=server.url))
    assert (healthy, seen) == (False, "the connection was closed without an answer")


def test_something_that_is_not_http_is_not_healthy(serve: Serve) -> None:
    server = serve(lambda connection, _closing: connection.sendall(b"SSH-2.0-Open\r\n"))
    assert not _try(Check("http", url=server.url))[0]


def test_https_to_a_server_without_tls_is_not_healthy(serve: Serve) -> None:
    server = serve(_says("200 OK"))
    healthy, seen = _try(Check("http", url=f"https://127.0.0.1:{server.port}/"), limit=2)
    assert not healthy
    assert "TLS failed" in seen


def test_a_port_that_accepts_is_healthy_for_tcp(serve: Serve) -> None:
    server = serve(_hangs)
    check = Check("tcp", host="127.0.0.1", port=server.port)
    assert _try(check) == (True, f"port {server.port} accepts connections")


def test_a_command_is_healthy_by_its_exit_status() -> None:
    place = Place(environment={"PATH": os.environ["PATH"], "A": "b"})
    assert _try(Check("exec", command=("sh", "-c", 'test "$A" = b')), place=place)[0]
    healthy, seen = _try(Check("exec", command=("sh", "-c", "echo no; exit 3")), place=place)
    assert (healthy, seen) == (False, "exit status 3: no")


def test_a_command_that_does_not_end_is_ended() -> None:
    place = Place(environment={"PATH": os.environ["PATH"]})
    began = time.monotonic()
    healthy, seen = _try(Check("exec", command=("sleep", "60")), limit=0.2, place=place)
    assert (healthy, seen) == (False, "the command did not end within 0.2 s")
    assert time.monotonic() - began < 30


def test_a_command_that_does_not_exist_is_not_healthy() -> None:
    healthy, seen = _try(Check("exec", command=("/nonexistent/check",)))
    assert not healthy
    assert "No such file" in seen
