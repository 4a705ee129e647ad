"""A git server over http that asks for a token: `git http-backend`, and the batch API of Git LFS.

Of the standard library alone, so that a lab host can run it too:
`python3 git_http.py PORT FOLDER FILE_OF_THE_TOKEN`.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class GitServer(ThreadingHTTPServer):
    """Serves the bare repositories in a folder to whoever has the token.

    `fetches` counts how often objects were asked for; `exposed` has the command lines that held the
    token while a request was under way; `redirect` sends every request to another server.
    """

    daemon_threads = True

    def __init__(self, port: int, folder: Path, token: str, address: str = "127.0.0.1") -> None:
        super().__init__((address, port), Handler)
        self.folder = folder
        self.token = token
        self.fetches = 0
        self.users: set[str] = set()
        self.exposed: list[str] = []
        self.redirect = ""

    @property
    def url(self) -> str:
        """The server's own URL."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def look_for_the_token(self) -> None:
        """Note each process of this machine that shows the token in its arguments."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
            except OSError:
                continue  # it has ended
            if self.token in line and int(entry.name) != os.getpid():
                self.exposed.append(line)


class Handler(BaseHTTPRequestHandler):
    """One request: a token first, then git or Git LFS."""

    server: GitServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer what git reads, and the files of Git LFS."""
        self._answer(b"")

    def do_POST(self) -> None:
        """Answer what git negotiates."""
        self._answer(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, body: bytes) -> None:
        if self.server.redirect:
            self._send(302, {"Location": self.server.redirect + self.path}, b"")
        elif not self._allowed():
            self._send(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"a token is needed\n")
        elif self.path.endswith("/info/lfs/objects/batch"):
            self._lfs_batch(json.loads(body))
        elif "/lfs/objects/" in self.path:
            self._send(200, {}, (self.server.folder / self.path[1:]).read_bytes())
        else:
            self._git(body)

    def _allowed(self) -> bool:
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(given).decode().partition(":")
        if kind != "Basic" or password != self.server.token:
            return False
        self.server.users.add(user)
        self.server.look_for_the_token()
        return True

    def _lfs_batch(self, asked: dict[str, Any]) -> None:
        repository = self.path.removesuffix("/info/lfs/objects/batch")
        base = f"http://{self.headers['Host']}{repository}/lfs/objects"
        objects = [
            {
                **wanted,
                "authenticated": False,
                "actions": {
                    "download": {"href": f"{base}/{o[:2]}/{o[2:4]}/{o}"},
                },
            }
            for wanted in asked["objects"]
            for o in [wanted["oid"]]
        ]
        answer = json.dumps({"transfer": "basic", "objects": objects}).encode()
        self._send(200, {"Content-Type": "application/vnd.git-lfs+json"}, answer)

    def _git(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        self.server.fetches += b"command=fetch" in body
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self._send(int(headers.pop("Status", "200")[:3]), headers, content)

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def git_server(folder: Path, token: str) -> Iterator[GitServer]:
    """Serve the repositories in a folder on a free port, until the block ends."""
    with GitServer(0, folder, token) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    TOKEN = Path(sys.argv[3]).read_text()
    GitServer(int(sys.argv[1]), Path(sys.argv[2]), TOKEN, "0.0.0.0").serve_forever()
