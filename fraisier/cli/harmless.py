"""Text of others made harmless for a terminal: nothing in it moves the cursor or hides a word."""

from __future__ import annotations

import re

#: What may have to be written out: all but lines, tabs and the plain characters of ASCII.
_PERHAPS = re.compile(r"[^\n\t -~]")
#: The sequences that colour what this program itself writes, as click.style makes them.
_COLOR = re.compile(r"(\x1b\[[0-9;]{1,20}m)")


def harmless(text: str) -> str:
    """Return the text with everything that does not print written out, tabs and lines excepted."""
    return _PERHAPS.sub(_shown, text)


def harmless_but_colored(text: str) -> str:
    """Return the same and leave colours as they are."""
    parts = _COLOR.split(text)
    return "".join(part if _COLOR.fullmatch(part) else harmless(part) for part in parts)


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    return character if character.isprintable() else character.encode("unicode_escape").decode()
