"""How deployments look to people: words, figures and rows of tables."""

from __future__ import annotations

from typing import Any


def short(version: str) -> str:
    """Return a version as people quote it: seven characters of a commit, twelve of an image."""
    if version.startswith("sha256:"):
        return version.removeprefix("sha256:")[:12]
    return version[:7] if len(version) in (40, 64) else version


def named(who: str, name: str | None) -> str:
    """Return who did something, with the token's name before its id."""
    return f"{name} ({who})" if name else who


def duration(seconds: float | None) -> str:
    """Return a length of time in words: `2.1 s`, `3 min 20 s`; `-` where there is none."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def deployment_row(deployment: dict[str, Any]) -> dict[str, object]:
    """Return a deployment as a row of a table."""
    return {
        "id": deployment["id"],
        "target": f"{deployment['fraise']} {deployment['environment']}",
        "kind": deployment["kind"],
        "status": deployment["status"],
        "version": short(deployment["version"]),
        "when": deployment["created_at"][:19].replace("T", " "),
        "took": duration(deployment["duration_seconds"]),
        "by": deployment["triggered_by"],
    }
