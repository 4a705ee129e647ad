"""Globs over branches, tags and paths, in a time that grows only with their length.

A regular expression may take hours for one long path, and who pushes says which paths there are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

_WILD = re.compile(r"(\*\*/|\*\*|\*|\?)")


@dataclass(frozen=True)
class _Glob:
    """A glob as a machine whose states are bits: where in the glob a text may have come to.

    `letters` are the states from which a character leads on, `any_letter` those from which all but
    a slash do. All but a slash leave `in_name` as they are, and all leave `anywhere`. `skips` are
    (state, states that come with it).
    """

    letters: Mapping[str, int]
    any_letter: int
    in_name: int
    anywhere: int
    skips: tuple[tuple[int, int], ...]
    end: int

    def matches(self, text: str) -> bool:
        states = self._with_skips(1)
        for letter in text:
            on, stay = self.letters.get(letter, 0), self.anywhere
            if letter != "/":
                on, stay = on | self.any_letter, stay | self.in_name
            states = self._with_skips((states & on) << 1 | states & stay)
            if not states:
                return False
        return bool(states & self.end)

    def _with_skips(self, states: int) -> int:
        for state, others in self.skips:
            if states & state:
                states |= others
        return states


def matches(glob: str, text: str) -> bool:
    """Return whether a text matches: `*` and `?` are anything but a slash, `**` is anything."""
    return _compiled(glob).matches(text)


@lru_cache(maxsize=1024)
def _compiled(glob: str) -> _Glob:
    letters: dict[str, int] = defaultdict(int)
    any_letter = in_name = anywhere = 0
    skips, state = [], 1
    for part in _WILD.split(glob):
        if part == "?":
            any_letter |= state
            state <<= 1
        elif part == "*":
            in_name |= state
            skips.append((state, state << 1))
            state <<= 1
        elif part == "**":
            anywhere |= state
            skips.append((state, state << 1))
            state <<= 1
        elif part == "**/":  # nothing at all, or anything that ends with a slash
            skips.append((state, state << 1 | state << 2))
            anywhere |= state << 1
            letters["/"] |= state << 1
            state <<= 2
        else:
            for letter in part:
                letters[letter] |= state
                state <<= 1
    return _Glob(dict(letters), any_letter, in_name, anywhere, tuple(skips), state)
