"""A fake Coolify as a program, for scenarios: `python -m support.coolify_serve FILE`.

FILE gets its address. It has one application, `app-git`; a commit that begins with `bad` does not
become healthy. It ends at SIGTERM, with status 1 where a request did not keep to the document.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from support.coolify import App, Coolify


class Scenario(Coolify):
    """A Coolify whose application is as healthy as its commit is called."""

    def _runs(self, app: App, each: dict[str, Any]) -> None:
        super()._runs(app, each)
        health = "unhealthy" if app.commit_that_runs.startswith("bad") else "healthy"
        app.data["status"] = f"running:{health}"


def main(file: str) -> None:
    """Serve until SIGTERM."""
    server = Scenario()
    server.add_git()
    server.start()
    Path(file).write_text(server.url)

    def stop(_number: int, _frame: FrameType | None) -> None:
        sys.exit("\n".join(server.broken) if server.broken else 0)

    signal.signal(signal.SIGTERM, stop)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
