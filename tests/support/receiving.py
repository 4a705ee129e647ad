"""Receivers for the tests: real servers on this machine that answer well, badly or not at all."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fraisier.domain.notice import Notice

LOOPBACK = (ip_network("127.0.0.0/8"),)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return an answer as it goes over the wire; `Retry_After` becomes Retry-After."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Got:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Listening:
    """A server that does with each connection what `behave` does with it."""

    port: int
    got: list[Got] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/hook", host: str = "127.0.0.1", scheme: str = "http") -> str:
        """Return a URL of it."""
        return f"{scheme}://{host}:{self.port}{path}"

    def take(self, connection: socket.socket) -> Got:
        """Read one request."""
        file = connection.makefile("rb")
        _, path, _ = file.readline().decode().split(" ")
        headers = {}
        while line := file.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        found = Got(path, headers, file.read(int(headers.get("content-length", 0))))
        self.got.append(found)
        return found


Behave = Callable[[Listening, socket.socket], None]


@contextmanager
def listening(
    behave: Behave, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Listening]:
    """Serve until the end of the block."""
    made = socket.create_server((host, port))
    server = Listening(made.getsockname()[1])

    def serve(connection: socket.socket) -> None:
        server.begun.append(time.monotonic())
        with suppress(OSError, ValueError), connection:
            if tls is None:
                behave(server, connection)
            else:
                with tls.wrap_socket(connection, server_side=True) as secure:
                    behave(server, secure)

    def accept() -> None:
        while not server.stop.is_set():
            with suppress(TimeoutError):
                connection, _ = made.accept()
                connection.settimeout(30)
                threading.Thread(target=serve, args=[connection], daemon=True).start()

    made.settimeout(0.05)
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        thread.join()
        made.close()


def saying(*answers: bytes) -> Behave:
    """Give these answers one after the other, the last again and again."""
    left = list(answers)

    def behave(server: Listening, connection: socket.socket) -> None:
        server.take(connection)
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return behave


def hanging(server: Listening, connection: socket.socket) -> None:
    """Take the request and say nothing."""
    server.take(connection)
    server.stop.wait(30)


def dripping(server: Listening, connection: socket.socket) -> None:
    """Send headers without an end, a byte at a time: each read is quick, the whole is not."""
    server.take(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while not server.stop.wait(0.05):
        connection.sendall(b"x")


def silent(server: Listening, connection: socket.socket) -> None:
    """Take the connection, and not even read."""
    server.stop.wait(30)


def hanging_up(server: Listening, connection: socket.socket) -> None:
    """Take the request and close."""
    server.take(connection)


def closed_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def certified(folder: Path, *names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return TLS for a server with these names, and for clients that trust it and nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a receiver of the tests")])
    now = datetime.now(UTC)
    san = x509.SubjectAlternativeName([_general(name) for name in names])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(san, critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, private)
    return server, ssl.create_default_context(cafile=str(cert))


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def told(number: int = 1, event: str = "deployment.completed", **more: object) -> Notice:
    """Return an event of a deployment."""
    plain: dict[str, object] = {
        "event_id": f"evt_{more.get('stream_id', 'dep_1')}_{number}",
        "event_type": event,
        "stream_id": "dep_1",
        "sequence": number,
        "at": 1_795_000_000_123_456,
        "host": None,
        "data": {"status": "success", "reason": "", "duration_seconds": 12.25},
        "deployment_id": "dep_1",
        "fraise": "my_api",
        "environment": "production",
        "provider": "bare_metal",
        "version": "0123456789abcdef0123456789abcdef01234567",
        "strategy": "rolling",
        "kind": "deploy",
        "triggered_by": "cli:ada",
        "trace_id": "t1",
    }
    return Notice(**{**plain, **more})  # type: ignore[arg-type]


class FakeSmtp:
    """A mail server: what it was told, and what it answers; `replies` maps a verb to an answer."""

    def __init__(
        self, replies: dict[str, str] | None = None, extensions: Sequence[str] = ()
    ) -> None:
        self.said: list[str] = []
        self.messages: list[str] = []
        self.secured = False
        self._replies = replies or {}
        self._extensions = extensions

    def behave(self, tls: ssl.SSLContext | None = None) -> Behave:
        """Return how it behaves; with `tls` it knows STARTTLS."""

        def behave(server: Listening, connection: socket.socket) -> None:
            connection.sendall(b"220 here\r\n")
            self._talk(connection, tls)

        return behave

    def _talk(self, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        file = connection.makefile("rb")
        while line := file.readline().decode().rstrip("\r\n"):
            self.said.append(line)
            verb = line.split(" ")[0].upper()
            if verb == "STARTTLS" and tls is not None:
                connection.sendall(b"220 go on\r\n")
                with tls.wrap_socket(connection, server_side=True) as secure:
                    self.secured = True
                    self._talk(secure, None)
                return
            if verb == "DATA":
                connection.sendall(b"354 go on\r\n")
                lines = []
                while (more := file.readline().decode().rstrip("\r\n")) != ".":
                    lines.append(more)
                self.messages.append("\n".join(lines))
            if verb == "EHLO":
                offered = [*self._extensions, *(["STARTTLS"] if tls else [])]
                lines = ["fake", *offered]
                parts = [f"250-{each}" for each in lines[:-1]] + [f"250 {lines[-1]}"]
                connection.sendall(("\r\n".join(parts) + "\r\n").encode())
            else:
                connection.sendall(f"{self._replies.get(verb, '250 fine')}\r\n".encode())
