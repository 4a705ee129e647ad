"""Finds the configuration file: the argument, the environment, this folder, the system's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fraisier.domain.errors import ConfigurationError, Problem

FILE_NAME = "fraises.yaml"
SYSTEM_FILE = Path("/etc/fraisier") / FILE_NAME


def locate(path: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """Return the absolute path of the configuration file, or raise ConfigurationError."""
    if path is not None:
        return _named(path, cwd, "--config")
    if environ.get("FRAISIER_CONFIG"):
        return _named(environ["FRAISIER_CONFIG"], cwd, "FRAISIER_CONFIG")
    candidates = (cwd / FILE_NAME, SYSTEM_FILE)
    for candidate in candidates:
        if os.path.lexists(candidate):
            return candidate.absolute()
    looked = ", ".join(("FRAISIER_CONFIG (not set)", *map(str, candidates)))
    raise ConfigurationError(
        [Problem(FILE_NAME, 0, "", f"no configuration file found; looked at {looked}")],
        "write one with `fraisier config init`, or name one with --config",
    )


def _named(name: str, cwd: Path, source: str) -> Path:
    path = cwd / os.path.expanduser(name)
    if not os.path.lexists(path):
        raise ConfigurationError(
            [Problem(str(path), 0, "", f"no such file (named by {source})")],
            "correct the name, or write an example there with `fraisier config init`",
        )
    return path.absolute()
