"""The service that a lab's fraises.yaml deploys, `app.py` of its repository: says how it is."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Service(BaseHTTPRequestHandler):
    """Answers every request with its status and version."""

    def do_GET(self) -> None:
        """Answer a request."""
        version = os.environ.get("FRAISIER_VERSION", "unknown")
        body = json.dumps({"status": "ok", "version": version}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8000"))
    ThreadingHTTPServer(("", port), Service).serve_forever()
