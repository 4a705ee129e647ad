"""The lines of a deployment as it happens: they say what the hosts reported, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from fraisier.cli.live import Live

SHOWN: dict[str, Any] = {
    "id": "dep_1", "fraise": "api", "environment": "production", "targets": [{"host": "web-1"}],
    "kind": "deploy", "version": "5" * 40, "status": "success", "reason": "",
    "duration_seconds": 2.5,
}  # fmt: skip
RELEASE = {"id": "r1", "version": "5" * 40}
BAD_GATE = {"gate": {"type": "http", "passed": False}}


class Screen:
    """What a terminal would show."""

    verbose = 0

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def style(self, text: str, **_: Any) -> str:
        return text


def shown(**data: Any) -> tuple[str, str]:
    """Return the line of a host that has ended a step, and the last line."""
    screen = Screen()
    live = Live(screen, {**SHOWN, "targets": ["web-1"]}, verbose=0)  # type: ignore[arg-type]
    whole = {"state": "ok", "steps": [], **data}
    live.tell([{"type": "deployment.host_completed", "host": "web-1", "data": whole}])
    return screen.lines[0], live.verdict(SHOWN)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"verb": "deploy", "release": RELEASE, "changed": True, "switched": True}, "serves"),
        ({"verb": "restore", "release": RELEASE, "changed": True}, "serves again"),
        ({"verb": "restore", "release": RELEASE, "changed": True, **BAD_GATE}, "is not healthy"),
        ({"verb": "restore", "release": None, "changed": True}, "stopped: there was no earlier"),
        ({"verb": "restore", "release": None, "changed": False}, "no release is there"),
    ],
)
def test_a_host_serves_only_what_was_healthy(data: dict[str, Any], says: str) -> None:
    line, _ = shown(**data)
    assert says in line
    assert ("serves" in line) == ("serves" in says)
    assert "as before" not in line


def test_the_last_line_says_serves_only_where_every_host_is_healthy() -> None:
    good = {"verb": "restore", "release": RELEASE, "changed": True}
    assert "5555555 serves" in shown(**good)[1]
    assert "5555555 runs" in shown(**good, **BAD_GATE)[1]
