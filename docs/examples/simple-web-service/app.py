"""A small web service: it greets, and says how it is."""

import os

from flask import Flask, jsonify

app = Flask(__name__)

VERSION = os.environ.get("FRAISIER_VERSION", "unknown")
GREETING = os.environ.get("GREETING", "Hello")


@app.get("/")
def index():
    """Greet whoever asks."""
    return jsonify(message=f"{GREETING} from a fraise", version=VERSION)


@app.get("/health")
def health():
    """Answer 200 while the service can do its work."""
    return jsonify(status="ok", version=VERSION)


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=int(os.environ.get("PORT", "8000")))
