"""An application of somebody else's, who knows nothing of Fraisier: Flask, started by a script."""

import subprocess
from pathlib import Path

from flask import Flask, jsonify

HERE = Path(__file__).parent
COMMIT = subprocess.run(
    ["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True
).stdout.strip()
HOW = (HERE / "behaviour").read_text().strip()
app = Flask(__name__)


@app.get("/health")
def health():  # type: ignore[no-untyped-def]
    """Say which commit this process was started from, and which one was built."""
    built = HERE / "built"
    answer = {"version": COMMIT, "built": built.read_text().strip() if built.exists() else ""}
    return jsonify(answer), 500 if HOW == "http500" else 200


app.run(host="0.0.0.0", port=8000)
