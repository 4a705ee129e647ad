"""Text from outside made fit to keep and to show: nothing in it is obeyed, nothing is invisible.

What a build, a host or an API says may hold sequences that move a terminal's cursor, set its
clipboard or title (ECMA-48), or characters that reorder or hide words (Unicode bidi controls).
"""

from __future__ import annotations

import re

#: How long a message may be, and a reason, which may name many hosts, in characters.
MESSAGE, REASON = 1000, 1 << 16

#: Escape sequences of terminals: CSI, then the strings OSC, DCS, SOS, PM and APC, then the rest.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
#: Characters that show nothing: controls, invisible format characters, halves of a character.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff0-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_LINE_BREAK = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")


def clean(text: str) -> str:
    """Return the text with each character that does not show written out, as `\\x1b`.

    Tabs stay, and line breaks become newlines.
    """
    if not _INVISIBLE.search(text):
        return text
    text = _LINE_BREAK.sub("\n", text)
    return _INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def without_sequences(text: str) -> str:
    """Return the text as a terminal would show it, without its escape sequences."""
    return _SEQUENCE.sub("", text)


def one_line(text: str, longest: int = MESSAGE) -> str:
    """Return clean text as one line; of a long one the beginning, with a mark."""
    line = " ".join(clean(text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
