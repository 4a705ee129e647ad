"""The Debian mirror this machine already uses, found in its apt sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path


def of_this_machine(suite: str, root: Path = Path("/")) -> str | None:
    """The mirror this machine takes Debian `suite` from, or None when it does not."""
    release = root / "etc/os-release"
    if not release.exists() or "ID=debian" not in release.read_text().split():
        return None
    apt = root / "etc/apt"
    texts = [
        path.read_text()
        for path in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*")))
        if path.is_file() and path.suffix in {".list", ".sources"}
    ]
    return next((uri for text in texts for uri in uris(text, suite)), None)


def uris(text: str, suite: str) -> Iterator[str]:
    """Every archive in `text`, one-line or deb822, that serves exactly `suite`."""
    for line in text.splitlines():
        words = re.sub(r"\[.*?\]", " ", line).split()
        if words[:1] == ["deb"] and words[2:3] == [suite]:
            yield words[1]
    for stanza in text.split("\n\n"):
        fields = dict(_fields(stanza.splitlines()))
        enabled = fields.get("enabled", "yes") == "yes" and "deb" in fields.get("types", "").split()
        if enabled and suite in fields.get("suites", "").split():
            yield from fields.get("uris", "").split()[:1]


def _fields(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and not line.startswith(("#", " ", "deb ", "deb\t")):
            yield name.strip().lower(), value.strip()
