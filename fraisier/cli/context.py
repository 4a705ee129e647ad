"""What every command shares: how it speaks, and the application it works with."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from fraisier.cli.harmless import harmless, harmless_but_colored
from fraisier.cli.streams import outlived
from fraisier.domain.errors import UsageError
from fraisier.domain.plain_text import one_line

if TYPE_CHECKING:
    from fraisier.cli.control import Control
    from fraisier.wiring import Application


@dataclass
class Context:
    """The root options of one command. Results go to stdout, progress to stderr.

    `server` is the URL of a control API; empty: this process does the work.
    """

    json: bool = False
    verbose: int = 0
    color: bool = True
    config_path: str | None = None
    server: str = ""

    @cached_property
    def application(self) -> Application:
        """Return the application for the chosen configuration file; refused with a server."""
        from fraisier.wiring import Application

        if self.server:
            raise here_only("this")
        return Application.from_environment(self.config_path)

    @cached_property
    def control(self) -> Control:
        """Return who answers this command: this process, or the server that was chosen."""
        if self.server:
            from fraisier.cli.client import RemoteControl

            return RemoteControl.from_environment(self.server)
        from fraisier.cli.local import LocalControl

        return LocalControl(self.application)

    def emit(self, data: object, text: str) -> None:
        """Print a result: `data` as JSON where that was asked for, else `text`."""
        click.echo(json.dumps(data, indent=2, default=str) if self.json else self.fit(text))

    def conclude(self, data: object, text: str) -> None:
        """Print the result of work that was done, where somebody still reads it."""
        with outlived(sys.stdout):
            self.emit(data, text)

    def stream(self, data: object, text: str) -> None:
        """Print one of many results at once: a line of JSON where that was asked for."""
        click.echo(json.dumps(data, default=str) if self.json else self.fit(text))

    def say(self, text: str) -> None:
        """Print progress, away from the result; the work goes on where nobody reads it."""
        with outlived(sys.stderr):
            click.echo(self.fit(text), file=sys.stderr, color=self.color or None)

    def fit(self, text: str) -> str:
        """Return text as this terminal may get it: of what it would obey only colours are left."""
        return harmless_but_colored(text) if self.color else harmless(text)

    def style(self, text: str, **style: Any) -> str:
        """Return text with colours, where this terminal may have them."""
        return click.style(text, **style) if self.color else text


def here_only(command: str) -> UsageError:
    """Return why a command cannot be used with a server."""
    return UsageError(
        f"{command} is done by the machine you are on, not by a server",
        'choose no server: unset FRAISIER_SERVER, or begin with fraisier --server ""',
    )


def table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Return rows as aligned columns under a heading; no rows give the heading alone."""
    heading = {column: column.replace("_", " ").upper() for column in columns}
    lines = [heading, *rows]
    cells = [[_cell(line.get(column)) for column in columns] for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = ("  ".join(map(str.ljust, row, widths)) for row in cells)
    return "\n".join(line.rstrip() for line in padded)


def _cell(value: object) -> str:
    """Return a value in one line; spaces that are there for their look stay."""
    text = str(value or "")
    return text if text.isprintable() else one_line(text)
