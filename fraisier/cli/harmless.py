"""Text of others made harmless for a terminal: nothing in it moves the cursor or hides a word."""

from __future__ import annotations


def harmless(text: str) -> str:
    """Return the text with everything that does not print written out, tabs and lines excepted."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character.isprintable() or character in "\n\t":
        return character
    return character.encode("unicode_escape").decode()
