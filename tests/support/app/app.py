"""A service of the standard library whose file `behaviour` says how it is: good, or how it fails.

One that is bad as `proxied…` is good for whoever asks it directly, as its health check does.
A host's own file /etc/fraisier-test-behaviour comes first, so that one host of many can be bad.
"""

import http.server
import json
import os
import sys
import time
from pathlib import Path

OVERRIDE = Path("/etc/fraisier-test-behaviour")
VERSION = os.environ.get("FRAISIER_VERSION", "unknown")


def behaviour() -> str:
    """Return how this host's copy is to behave; the override names versions it is meant for."""
    if OVERRIDE.exists():
        version, _, how = OVERRIDE.read_text().strip().partition(" ")
        if VERSION.startswith(version):
            return how
    return Path("behaviour").read_text().strip()


HOW = behaviour()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /health as `behaviour` says, and /env with the variables named TEST_…"""

    def do_GET(self) -> None:
        """Answer one request."""
        if HOW == "hang":
            time.sleep(3600)
        proxied = "X-Forwarded-For" in self.headers
        if HOW == "proxied-slow" and proxied:
            time.sleep(0.4)
        body = {"version": VERSION, "secret_length": len(os.environ.get("TEST_SECRET", ""))}
        data = json.dumps(body).encode()
        bad = HOW == "http500" or (HOW == "proxied500" and proxied)
        self.send_response(500 if bad else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep the journal quiet."""


if HOW == "die":
    sys.exit("this version cannot start")
server = http.server.ThreadingHTTPServer(("", int(os.environ.get("PORT", "8000"))), Handler)
server.serve_forever()
