"""Replaces `${NAME}` and `${NAME:-default}` in text by values of the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fraisier.config.report import Path, Report

_REFERENCE = re.compile(
    r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|\$\{"
)


def expand(value: Any, report: Report, environ: Mapping[str, str], path: Path = ()) -> Any:
    """Return the value with every string in it expanded; `$${` stands for a literal `${`.

    A default serves when the variable is unset or empty. What is missing goes into the report,
    and every path that took something from the environment into `report.hidden`. Sections of the
    root that start with `x-` are left as they are: their anchors are expanded where they are used.
    """
    if isinstance(value, str):
        return _text(value, report, environ, path)
    if isinstance(value, list):
        return [expand(item, report, environ, (*path, at)) for at, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {
            key: item
            if not path and key.startswith("x-")
            else expand(item, report, environ, (*path, key))
            for key, item in value.items()
        }
    return value


def _text(text: str, report: Report, environ: Mapping[str, str], path: Path) -> str:
    if "${" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name, default = match["name"], match["default"]
        if name is None:
            report.settle(
                path, "`${` must be followed by NAME} or NAME:-default}; for itself write `$${`"
            )
            return ""
        if default is None and name not in environ:
            report.settle(
                path,
                f"the environment variable {name} is not set; "
                f"set it, or give a default: ${{{name}:-…}}",
            )
        report.hidden.add(path)
        if default is None:
            return environ.get(name, "")
        return environ.get(name) or default

    return _REFERENCE.sub(replace, text)
