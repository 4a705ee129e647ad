"""Templates of messages: text with names in braces, which are filled in and never evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: What a template may name, and what that is.
NAMES: Mapping[str, str] = {
    "event": "the type of the event",
    "summary": "how it ended, or what happened, in a word or two",
    "status": "the status, at an end",
    "reason": "why it ended so",
    "fraise": "the fraise",
    "environment": "the environment",
    "deployment_id": "the deployment",
    "kind": "deploy or rollback",
    "version": "the version, whole",
    "short_version": "the version as people quote it",
    "strategy": "the strategy",
    "provider": "the provider",
    "triggered_by": "who asked for it",
    "host": "the host that the event is about",
    "region": "the region",
    "duration": "how long it took, at an end",
    "timestamp": "when it happened, in UTC",
}
LONGEST = 4000
#: What stands for a name that has no value in an event.
NOTHING = "-"
_PART = re.compile(r"\{\{|\}\}|\{(?P<name>[a-z_]+)\}|[{}]")


def template_problem(text: str) -> str | None:
    """Return what is wrong with a template, if anything."""
    if len(text) > LONGEST:
        return f"is longer than {LONGEST} characters"
    for part in _PART.finditer(text):
        if part[0] in ("{", "}"):
            return "write a name in braces, such as {fraise}; for a brace itself write {{ or }}"
        name = part["name"]
        if name is not None and name not in NAMES:
            return f"knows no {{{name}}}; it may name: {', '.join(NAMES)}"
    return None


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return a template with its names replaced by values, which are taken as they are."""

    def replace(part: re.Match[str]) -> str:
        name = part["name"]
        if name is None:
            return part[0][0]
        return values.get(name) or NOTHING

    return _PART.sub(replace, text)
