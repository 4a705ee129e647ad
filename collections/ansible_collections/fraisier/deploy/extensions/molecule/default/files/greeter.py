"""Says which version it is; the version and its health are set by the commit."""

import http.server
import json
import os

VERSION = "v0"
STATUS = 200


class Greeter(http.server.BaseHTTPRequestHandler):
    """Answers every question in the same way."""

    def do_GET(self) -> None:
        """Answer."""
        answer = {
            "version": VERSION,
            "odd": os.environ["ODD"],
            "release": os.environ["FRAISIER_RELEASE"],
            "secret": os.environ.get("SECRET", ""),
        }
        body = json.dumps(answer).encode()
        self.send_response(STATUS)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("", 8000), Greeter).serve_forever()
