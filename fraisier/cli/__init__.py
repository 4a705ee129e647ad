"""The command line. Commands are imported when they are used, so that starting stays fast."""

from __future__ import annotations

import json
import sys
from importlib import import_module

import click

from fraisier import __version__
from fraisier.cli.context import Context
from fraisier.cli.exits import code_of
from fraisier.domain.errors import FraisierError

#: Command -> the module that holds it, under the same name (a trailing underscore is dropped).
COMMANDS = {
    "collection": "collection",
    "config": "config",
    "db": "db",
    "deploy": "deploy",
    "doctor": "doctor",
    "events": "look",
    "history": "look",
    "lab": "lab",
    "list": "look",
    "logs": "look",
    "providers": "providers",
    "rollback": "deploy",
    "serve": "serve",
    "show": "look",
    "status": "look",
    "unlock": "deploy",
}


class Commands(click.Group):
    """The root command: knows every name, imports only what is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command's name."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"fraisier.cli.{COMMANDS[cmd_name]}")
        found = getattr(module, f"{cmd_name}_", None) or getattr(module, cmd_name)
        assert isinstance(found, click.Command)
        return found


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-c", "--config", "config_path", metavar="FILE", help="The fraises.yaml to use.")
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
@click.option("-v", "--verbose", count=True, help="Show what the build said; twice: each task.")
@click.option("--no-color", is_flag=True, help="Print without colours.")
@click.version_option(__version__, prog_name="fraisier")
@click.pass_context
def cli(
    ctx: click.Context, config_path: str | None, as_json: bool, verbose: int, no_color: bool
) -> None:
    """Deploy services to your own machines, and see what is true on them."""
    color = not no_color and sys.stderr.isatty()
    ctx.obj = Context(as_json, verbose, color, config_path)


def main() -> None:
    """Run the command line; every error that is ours ends as a sentence and an exit code."""
    try:
        cli(standalone_mode=True)
    except FraisierError as error:
        if "--json" in sys.argv[1:]:
            click.echo(json.dumps(error_json(error)))
        click.echo(f"fraisier: {error}", err=True)
        sys.exit(code_of(error))


def error_json(error: FraisierError) -> dict[str, object]:
    """Return an error as `--json` prints it."""
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
