"""How what a host told is not what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraisier.domain.deployment import RELEASE_ID, Placement


def differences(host: Mapping[str, Any], placed: Placement | None) -> list[str]:
    """Return in sentences how what a host told is not what was recorded, or not of a piece."""
    if host["error"]:
        return []
    current = (host.get("release") or {}).get("id")
    recorded = placed.release if placed else None
    unit, running, fence = host.get("unit") or {}, host.get("running"), host.get("fence")
    found = []
    if current != recorded and (current or "")[:RELEASE_ID] != recorded:
        said = "the records say" if placed is None or placed.known else "contact was lost after"
        found.append(f"{said} {recorded or 'nothing'}, the host {current or 'nothing'}")
    if current and running is None:
        found.append(f"the service does not run ({unit.get('active_state')})")
    elif running not in (current, None, "unknown"):
        found.append(f"the process still runs {running}: it was not restarted since")
    if isinstance(fence, Mapping) and placed and fence["number"] > placed.fence:
        who = f"{fence.get('deployment') or 'somebody'} of {fence.get('installation') or 'another'}"
        found.append(f"{who} has been here since")
    return found
