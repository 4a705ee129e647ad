"""Settings of the program itself, from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fraisier.domain.errors import ConfigurationError, Problem

DATABASE_FILE = "fraisier.db"
_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Settings:
    """How this process runs. `config` None: looked for; `database_url` None: beside `config`.

    `token` is what a client shows to a server; None means none is set.
    """

    config: str | None = None
    database_url: str | None = None
    token: str | None = field(default=None, repr=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings, or raise ConfigurationError with every bad one. Empty means unset."""
        given = {name: environ.get(f"FRAISIER_{name}") or None for name in _READ}
        problems = [
            Problem("environment", 0, f"FRAISIER_{name}", problem)
            for name, check in _CHECKS.items()
            if (value := given[name]) is not None and (problem := check(value))
        ]
        if problems:
            raise ConfigurationError(problems, "correct or unset it")
        return cls(
            config=given["CONFIG"],
            database_url=given["DATABASE_URL"],
            token=given["TOKEN"],
        )

    def database_for(self, config_file: str | Path) -> str:
        """Return the database's URL, its path absolute: relative ones start beside the file."""
        name = (self.database_url or f"{_SQLITE}{DATABASE_FILE}").removeprefix(_SQLITE)
        folder = Path(config_file).absolute().parent
        return f"{_SQLITE}{os.path.normpath(folder / os.path.expanduser(name))}"


def _database_problem(url: str) -> str | None:
    scheme = url.split(":", 1)[0] if ":" in url else ""
    if not url.startswith(_SQLITE):
        said = f"{scheme}: databases are" if re.fullmatch(r"[a-z0-9+]+", scheme) else "this is"
        return f"{said} not supported by this version; write {_SQLITE}PATH"
    path = url.removeprefix(_SQLITE)
    if not path or path.startswith(":memory:") or "mode=memory" in path:
        return f"records must outlive the process: name a file, {_SQLITE}PATH"
    if "?" in path or not path.isprintable():
        return "name a plain file, without options"
    return None


def _token_problem(token: str) -> str | None:
    plain = re.fullmatch(r"[\x21-\x7e]{1,1000}", token)
    return None if plain else "a token is one word of plain characters"


_READ = ("CONFIG", "DATABASE_URL", "TOKEN")
_CHECKS = {"DATABASE_URL": _database_problem, "TOKEN": _token_problem}
