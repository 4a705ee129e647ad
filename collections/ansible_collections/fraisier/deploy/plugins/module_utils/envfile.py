# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The environment file of a release, in systemd's own quoting."""

from __future__ import annotations

import re
from typing import Mapping

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LINE = re.compile(r'^([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"$', re.M | re.S)
_UNESCAPED = re.compile(r'\\(["\\`$])')
_ESCAPED = re.compile(r'(["\\`$])')
_QUOTED = re.compile(r"\\(.)", re.DOTALL)
_LINE = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"\n', re.DOTALL)


def render(variables: Mapping[str, str]) -> str:
    """Return the text of an EnvironmentFile that gives exactly these variables.

    Raises ValueError for a name that is none, or a value with a NUL character.
    """
    return "".join(f"{name}={quote(name, value)}\n" for name, value in sorted(variables.items()))


def read(text: str) -> dict[str, str]:
    """Return the variables of a text that `render` wrote."""
    return {found[1]: _UNESCAPED.sub(r"\1", found[2]) for found in _LINE.finditer(text)}


def quote(name: str, value: str) -> str:
    """Return a value in double quotes, as systemd reads them: nothing in it is expanded."""
    if not NAME.match(name):
        raise ValueError(f"{name!r} is not a name for an environment variable")
    if "\0" in value:
        raise ValueError(f"the value of {name} holds a NUL character")
    return '"' + _ESCAPED.sub(r"\\\1", value) + '"'


def parse(text: str) -> dict[str, str]:
    """Return the variables of a text that `render` made."""
    return {name: _QUOTED.sub(r"\1", value) for name, value in _LINE.findall(text)}
