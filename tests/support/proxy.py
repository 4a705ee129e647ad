"""A real HAProxy in a folder of its own, services behind it, and clients that count failures."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ansible_collections.fraisier.deploy.plugins.module_utils.proxy import Proxy
from ansible_collections.fraisier.deploy.plugins.module_utils.proxy_config import global_text
from support.target import until

HAPROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Host:
    """What setup makes of a host, in a folder: files, sockets, and HAProxy's master."""

    def __init__(self, folder: Path) -> None:
        self.root, self.run, self.state = folder / "etc", folder / "run", folder / "state"
        for each in (self.root, self.run, self.state, self.root / "certs"):
            each.mkdir()
        self.port, self.tls_port = free_port(), free_port()
        (self.root / "00-global.cfg").write_text(global_text(str(self.run / "admin.sock"), None))
        self.proxy = Proxy(
            str(self.root), str(self.run / "admin.sock"), str(self.state), ["127.0.0.1"]
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start HAProxy by the files that are there, and wait until it answers."""
        master = f"{self.run}/master.sock"
        with (self.run / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [HAPROXY, "-W", "-S", master, "-f", str(self.root)], stdout=log, stderr=log
            )
        until(self.proxy.present, 60)

    def stop(self) -> None:
        """End HAProxy with all its workers."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def ask(
        self, path: str = "/", host: str = "localhost", **headers: str
    ) -> http.client.HTTPResponse:
        """Return the answer to one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers={"Host": host, **sent})
        answer = connection.getresponse()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]
        connection.close()
        return answer

    def tally(self, requests: int, host: str = "localhost") -> Counter[str]:
        """Return how many of so many requests each server answered."""
        return Counter(self.ask(host=host).text for _ in range(requests))  # type: ignore[attr-defined]


@contextmanager
def proxy_host() -> Iterator[Host]:
    """Return a host with a running proxy that knows no service."""
    with tempfile.TemporaryDirectory(prefix="px-") as folder:
        host = Host(Path(folder))
        host.start()
        try:
            yield host
        finally:
            host.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that go."""


class Service:
    """A service that answers with its name; `seconds` is how long it takes."""

    def __init__(self, name: str, port: int = 0) -> None:
        self.name, self.seconds, self.status = name, 0.0, 200
        self.seen: list[dict[str, str]] = []
        self._server = _Server(("127.0.0.1", port), self._handler())
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(service) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path != "/health":
                    service.seen.append(dict(self.headers.items()))
                    time.sleep(service.seconds)
                body = service.name.encode()
                self.send_response(service.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        return Handler


class Client:
    """A client that asks again and again in a thread of its own, and keeps what failed."""

    def __init__(self, port: int, keep_alive: bool, pause: float = 0.02) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._port, self._keep, self._pause = port, keep_alive, pause
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._end.wait(self._pause):
            try:
                connection.request("GET", "/", headers={"Host": "localhost"})
                answer = connection.getresponse()
                text = answer.read().decode()
                if answer.status == 200:
                    self.answers[text] += 1
                else:
                    self.failures.append(f"{answer.status} {text}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            if not self._keep:
                connection.close()
        connection.close()


def certificate(folder: Path, name: str) -> str:
    """Return a certificate of its own signature for a name, and its key, as one PEM."""
    key, cert = folder / f"{name}.key", folder / f"{name}.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", cert, "-days", "30", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert.read_text() + key.read_text()
