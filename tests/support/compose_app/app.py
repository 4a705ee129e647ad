"""A service for containers: what it says is in a file beside it, how it behaves too."""

import http.server
import json
import os
import sys
from pathlib import Path

VERSION = Path("/app/version").read_text().strip()
HOW = Path("/app/behaviour").read_text().strip()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with its version, its greeting, and how long its secret is."""

    def do_GET(self) -> None:
        """Answer one request."""
        secret = os.environ.get("TEST_SECRET", "")
        greeting = os.environ.get("GREETING", "")
        body = {"version": VERSION, "greeting": greeting, "secret_length": len(secret)}
        data = json.dumps(body).encode()
        asked_from_here = self.headers.get("Host", "").startswith(("127.0.0.1", "localhost"))
        sick = HOW == "http500" or (HOW == "sick_in_traffic" and not asked_from_here)
        self.send_response(500 if sick else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if HOW == "die":
    sys.exit("this version cannot start")
port = 9 if HOW == "deaf" else 8000
http.server.ThreadingHTTPServer(("", port), Handler).serve_forever()
