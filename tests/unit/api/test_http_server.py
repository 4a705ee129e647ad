"""The HTTP server bounds what waits, and keeps no thread with a stream."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from waitress import wasyncore

from fraisier.api import http_server
from fraisier.api.http_server import Server
from fraisier.api.streams import KEEP
from support.server import free_port

THREADS, WAITING = 2, 3


class App:
    """Answers `/slow` when it may, `/kept` on and on, and everything else at once."""

    def __init__(self) -> None:
        self.inside = threading.Semaphore(0)
        self.leave = threading.Event()
        self.wires: list[Any] = []
        self.asked: list[str] = []

    def __call__(self, environ: Any, start: Any) -> Iterator[bytes]:
        self.asked.append(environ["PATH_INFO"])
        if environ["PATH_INFO"] == "/slow":
            self.inside.release()
            assert self.leave.wait(30)
        start("200 OK", [("Content-Type", "text/plain")])
        yield b"here\n"
        if environ["PATH_INFO"] == "/kept":
            self.wires.append(environ[KEEP]())
            self.inside.release()


class Client:
    """Asks a server in this process."""

    def __init__(self, port: int, app: App) -> None:
        self.port = port
        self.app = app
        self._opened: list[Any] = []

    def close(self) -> None:
        """Close every connection."""
        for each in self._opened:
            each.close()

    def socket(self, sent: bytes = b"") -> socket.socket:
        """Return a connection on which something was sent."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        self._opened.append(made)
        made.sendall(sent)
        return made

    def begin(self, path: str) -> http.client.HTTPConnection:
        """Send a request; the answer is to be fetched."""
        made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self._opened.append(made)
        made.request("GET", path)
        return made

    def get(self, path: str) -> http.client.HTTPResponse:
        """Return an answer."""
        answer = self.begin(path).getresponse()
        self._opened.append(answer)
        return answer


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Return the client of a small server."""
    monkeypatch.setattr(http_server, "THREADS", THREADS)
    monkeypatch.setattr(http_server, "WAITING", WAITING)
    monkeypatch.setattr(http_server, "CLEANUP_SECONDS", 0)
    app = App()
    server = Server.listening(app, "127.0.0.1", free_port())
    loop = threading.Thread(target=server.run, daemon=True)
    loop.start()
    asking = Client(int(server.effective_port), app)
    yield asking
    app.leave.set()
    asking.close()
    until(lambda: not server.active_channels)
    server.shutdown()
    server.of_life.shutdown()
    ended = threading.Event()
    server.maintenance = lambda _now: ended.is_set() and wasyncore.close_all(server._map)
    ended.set()
    server.pull_trigger()
    loop.join(30)
    assert not loop.is_alive()


def until(done: Any, seconds: float = 30) -> None:
    """Wait until something is true."""
    limit = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_burst_is_answered_or_refused_at_once_and_the_process_says_that_it_lives_i16(
    client: Client,
) -> None:
    slow = [client.begin("/slow") for _ in range(THREADS)]
    for _ in slow:
        assert client.app.inside.acquire(timeout=30)
    burst = [client.begin("/") for _ in range(WAITING + 20)]
    refused = [each.getresponse() for each in burst[WAITING:]]
    assert {each.status for each in refused} == {503}
    for each in refused:
        assert each.headers["Retry-After"] == "2"
        assert each.headers["Content-Type"] == "application/problem+json"
        assert json.loads(each.read())["code"] == "unavailable"
    assert client.get("/health/live").status == 200
    assert client.get("/health/ready").status == 503, "it is not ready for more"
    client.app.leave.set()
    assert [each.getresponse().status for each in (*slow, *burst[:WAITING])] == [200] * 5
    assert client.get("/").status == 200


def test_beyond_the_connections_that_it_answers_every_request_is_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = [client.socket() for _ in range(10)]
    assert client.get("/").status == 200
    monkeypatch.setattr(http_server, "CONNECTIONS", 10)
    assert client.get("/").status == 503
    assert client.get("/health/live").status == 200
    for each in idle:
        each.close()
    until(lambda: client.get("/").status == 200)


def test_a_kept_connection_needs_no_thread(client: Client) -> None:
    streams = [client.get("/kept") for _ in range(10 * THREADS)]
    for _ in streams:
        assert client.app.inside.acquire(timeout=30)
    assert client.get("/").status == 200
    for number, wire in enumerate(client.app.wires):
        wire.write(b"and %d\n" % number)
        wire.close()
    told = sorted(each.read() for each in streams)
    assert told == sorted(b"here\nand %d\n" % number for number in range(len(streams)))


def test_a_client_that_goes_away_is_noticed_with_nothing_to_tell_it(client: Client) -> None:
    stream = client.socket(b"GET /kept HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.app.inside.acquire(timeout=30)
    (wire,) = client.app.wires
    assert not wire.gone
    stream.close()
    until(lambda: wire.gone)
    wire.write(b"too late")
    wire.close()


def test_what_is_sent_on_a_kept_connection_is_not_heard(client: Client) -> None:
    ask = b"GET /kept HTTP/1.1\r\nHost: x\r\n\r\n"
    stream = client.socket(ask)
    assert client.app.inside.acquire(timeout=30)
    stream.sendall(ask)
    for _ in range(2):
        assert client.get("/").status == 200, "by then it was read"
    (wire,) = client.app.wires
    wire.write(b"the last")
    wire.close()
    told = b""
    while part := stream.recv(4096):
        told += part
    assert told.count(b"HTTP/1.1 200 OK") == 1
    assert told.endswith(b"8\r\nthe last\r\n0\r\n\r\n")
    assert len(client.app.wires) == 1


def test_a_client_that_takes_nothing_more_is_not_waited_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "LAST_SECONDS", 0.2)
    stream = client.socket(b"GET /kept HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.app.inside.acquire(timeout=30)
    (wire,) = client.app.wires
    wire.write(b"x" * (8 << 20))
    assert wire.pending, "a client that reads nothing does not take this much"
    wire.close()
    until(lambda: wire.gone)
    assert wire.pending == 0
    stream.close()


@pytest.mark.parametrize("sent", [b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"])
def test_a_request_that_does_not_come_to_its_end_is_not_waited_for(
    client: Client, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(http_server, "REQUEST_SECONDS", 0.3)
    slow = client.socket(sent)
    until(lambda: _is_closed(slow))


def _is_closed(client: socket.socket) -> bool:
    """True once the server has hung up."""
    client.settimeout(0.05)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"X-Much: " + b"x" * (80 << 10), 431, "request_header_fields_too_large"),
        (b"Content-Length: 99999999", 413, "request_entity_too_large"),
        (b"Content-Length: many", 400, "bad_request"),
        (b"Authorization fra_a-secret", 400, "bad_request"),
        (b"Transfer-Encoding: fra_a-secret", 501, "not_implemented"),
    ],
)
def test_s10_what_the_application_never_has_is_refused_as_problem_details(
    client: Client, sent: bytes, status: int, code: str
) -> None:
    stream = client.socket(b"POST / HTTP/1.1\r\n" + sent + b"\r\n\r\n")
    answer = http.client.HTTPResponse(stream)
    answer.begin()
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    said = answer.read()
    problem = json.loads(said)
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["detail"]
    assert problem["hint"]
    assert b"fra_" not in said, "nothing of it is repeated"


def answers(client: Client, sent: bytes) -> bytes:
    """Return all that comes on a connection until the server closes it."""
    stream, told = client.socket(sent), b""
    while part := stream.recv(4096):
        told += part
    return told


BEHIND = [
    b"GET /behind HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /behind HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
    b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /behind HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    b"this is no request\r\n\r\n",
]


@pytest.mark.parametrize("behind", BEHIND)
def test_a_request_behind_a_stream_is_never_done(client: Client, behind: bytes) -> None:
    stream = client.socket(b"GET /kept HTTP/1.1\r\nHost: x\r\n\r\n" + 2 * behind)
    assert client.app.inside.acquire(timeout=30)
    assert client.get("/").status == 200
    (wire,) = client.app.wires
    wire.write(b"the last")
    wire.close()
    told = b""
    while part := stream.recv(4096):
        told += part
    assert told.count(b"HTTP/1.") == 1
    assert b"Connection: close" in told
    assert told.endswith(b"8\r\nthe last\r\n0\r\n\r\n")
    assert "/behind" not in client.app.asked


FRAMED_TWICE = [
    b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: Chunked\r\ncontent-length: 0\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 0\r\n"
    b"Transfer-Encoding:\r\n\r\n",
    b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
]


@pytest.mark.parametrize("framed", FRAMED_TWICE)
def test_a_request_whose_end_is_said_twice_closes_its_connection(
    client: Client, framed: bytes
) -> None:
    told = answers(client, framed + b"GET /behind HTTP/1.1\r\nHost: x\r\n\r\n")
    assert told.count(b"HTTP/1.") == 1
    assert b"Connection: close" in told
    assert "/behind" not in client.app.asked


@pytest.mark.parametrize(
    "sent",
    [
        b"GET http://[::1/ HTTP/1.1\r\nHost: x",
        b"GET http://[x]/ HTTP/1.1\r\nHost: x",
        b"GET / HTTP/1.1\r\nContent-Length: " + b"9" * 5000,
    ],
)
def test_what_cannot_be_read_is_refused_without_a_traceback(
    client: Client, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    told = answers(client, sent + b"\r\nConnection: close\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 400 "), told
    assert not caplog.records


def test_what_waits_in_the_kernel_for_a_client_that_reads_nothing_counts(client: Client) -> None:
    stream = socket.socket()
    client._opened.append(stream)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stream.connect(("127.0.0.1", client.port))
    stream.sendall(b"GET /kept HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.app.inside.acquire(timeout=30)
    (wire,) = client.app.wires
    for _ in range(16):
        wire.write(b"x" * 4096)
    until(lambda: wire.pending == 0)
    assert wire.unread > 4096, "the kernel took it, and the client did not"
    stream.settimeout(30)
    got = b""
    while len(got) < 16 * 4096:
        got += stream.recv(65536)
    until(lambda: wire.unread == 0)
    wire.close()
    stream.close()
    until(lambda: wire.gone)
    assert wire.unread == 0
