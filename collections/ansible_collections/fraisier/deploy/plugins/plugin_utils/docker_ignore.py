# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a .dockerignore keeps out of a build, by Docker's rules."""

from __future__ import annotations

import os
import re
from typing import Callable, Iterable

Rule = tuple["re.Pattern[str]", bool]


def ignored_by(file: str) -> Callable[[str], bool]:
    """Return the test of a .dockerignore, for paths relative to its folder; none is all right."""
    if not os.path.isfile(file):
        return lambda _path: False
    with open(file, encoding="utf-8", errors="replace") as text:
        rules = list(rules_of(text))
    return lambda path: ignored(path, rules)


def rules_of(lines: Iterable[str]) -> list[Rule]:
    """Return the patterns of a .dockerignore, in their order, and whether each takes back."""
    found = []
    for line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        back = text.startswith("!")
        pattern = os.path.normpath(text.lstrip("!").strip()).lstrip("/")
        found.append((re.compile(_expression(pattern)), back))
    return found


def ignored(path: str, rules: Iterable[Rule]) -> bool:
    """True when the last rule that matches a path, or a folder above it, keeps it out."""
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    out = False
    for pattern, back in rules:
        if any(pattern.fullmatch(each) for each in above):
            out = not back
    return out


def _expression(pattern: str) -> str:
    """Return Go's file pattern, with Docker's `**`, as a regular expression."""
    made, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            made, at = made + "(?:.*/)?", at + 3
        elif pattern.startswith("**", at):
            made, at = made + ".*", at + 2
        elif pattern[at] == "*":
            made, at = made + "[^/]*", at + 1
        elif pattern[at] == "?":
            made, at = made + "[^/]", at + 1
        elif pattern[at] == "[" and "]" in pattern[at + 1 :]:
            end = pattern.index("]", at + 1)
            inner = pattern[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            made, at = made + f"[{inner}]", end + 1
        else:
            made, at = made + re.escape(pattern[at]), at + 1
    return made
