"""Collects everything wrong with one file, each problem with its line and its dotted path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.fraisier.deploy.plugins.module_utils.headers import without_queries
from fraisier.domain.errors import ConfigurationError, Problem

Path = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SENSITIVE_KEY = re.compile(
    r"env_vars|environment_variables|headers|git_auth|token|secret|passw|credential"
)
_LONGEST_ECHO = 60


def dotted(path: Path) -> str:
    """Write a path as `fraises.my_api.hosts[0].port`; keys with other characters are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f'["{_printable(part)}"]'
    return text


def quoted(value: object) -> str:
    """Write a value for a message, in one line and not too long, strings in double quotes."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = without_queries(_printable(str(value)))
    text = text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}…"
    return f'"{text}"' if isinstance(value, str) else text


def kind(value: object) -> str:
    """Name the type of a value as a reader of YAML would: `an integer`, `a mapping`."""
    names: list[tuple[type | tuple[type, ...], str]] = [
        (bool, "a boolean"),
        (int, "an integer"),
        (float, "a number"),
        (str, "a string"),
        (Mapping, "a mapping"),
        ((list, tuple), "a list"),
    ]
    return next((name for known, name in names if isinstance(value, known)), "nothing")


def sensitive(path: Path) -> bool:
    """True where a value may be a secret, so that no message may show it."""
    return any(isinstance(part, str) and _SENSITIVE_KEY.search(part.lower()) for part in path)


class Report:
    """The problems of one file. `lines` maps a path to the line it was written on, from 1.

    `hidden` holds the paths whose values came from the environment and are never shown.
    """

    def __init__(self, file: str, lines: Mapping[Path, int] | None = None) -> None:
        self.file = file
        self.lines: dict[Path, int] = dict(lines or {})
        self.hidden: set[Path] = set()
        self._settled: set[Path] = set()
        self._problems: set[Problem] = set()

    def add(self, path: Path, message: str, line: int | None = None) -> None:
        """Note a problem; without a line it gets that of the nearest path that has one."""
        if path in self._settled:
            return
        where = self.line(path) if line is None else line
        self._problems.add(Problem(self.file, where, dotted(path), message))

    def settle(self, path: Path, message: str) -> None:
        """Note a problem that makes all others of the same path its mere consequences."""
        self.add(path, message)
        self._settled.add(path)

    def line(self, path: Path) -> int:
        """Return the line of a path, or of its nearest ancestor; 0 when unknown."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    def shown(self, path: Path, value: object) -> str:
        """Describe a wrong value, `"five" (a string)`, and only its type where it may be secret."""
        if isinstance(value, Mapping | list) or value is None:
            return kind(value)
        if path in self.hidden:
            return f"{kind(value)} read from the environment"
        return kind(value) if sensitive(path) else f"{quoted(value)} ({kind(value)})"

    def echo(self, path: Path, value: object) -> str:
        """Quote a wrong value, or say that it is not shown."""
        secret = path in self.hidden or sensitive(path)
        return "a value that is not shown" if secret else quoted(value)

    @property
    def problems(self) -> list[Problem]:
        """What was found so far, in the order of the file."""
        return sorted(self._problems)

    def raise_if_any(self, hint: str = "") -> None:
        """Raise ConfigurationError with every problem found, if there is one."""
        if self._problems:
            raise ConfigurationError(self.problems, hint)


def without_extensions(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping without the `x-` keys, which are the user's own notes and anchors."""
    return {key: item for key, item in value.items() if not key.startswith("x-")}


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
