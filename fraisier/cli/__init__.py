"""The command line. Commands are imported when they are used, so that starting stays fast."""

from __future__ import annotations

import json
import sys
from importlib import import_module

import click

from fraisier import __version__
from fraisier.cli.context import Context, here_only
from fraisier.cli.exits import code_of
from fraisier.cli.harmless import harmless
from fraisier.cli.streams import attach, outlived
from fraisier.domain.errors import FraisierError

#: Command -> the module that holds it, under the same name (a trailing underscore is dropped).
COMMANDS = {
    "app": "app",
    "audit": "audit",
    "backups": "backups",
    "cancel": "cancel",
    "collection": "collection",
    "completion": "completion",
    "config": "config",
    "db": "db",
    "deploy": "deploy",
    "doctor": "doctor",
    "events": "look",
    "freeze": "freeze",
    "freezes": "freeze",
    "history": "look",
    "hosts": "hosts",
    "lab": "lab",
    "list": "look",
    "logs": "logs",
    "plan": "plan",
    "promote": "promote",
    "providers": "providers",
    "queue": "queue",
    "resume": "resume",
    "rollback": "deploy",
    "serve": "serve",
    "setup": "setup",
    "show": "look",
    "status": "look",
    "token": "token",
    "unfreeze": "freeze",
    "unlock": "deploy",
    "webhook": "webhook",
    "worker": "worker",
}

#: The commands that a server can answer; the others need the machine they are typed on.
WITH_SERVER = frozenset(
    {
        "app", "audit", "backups", "cancel", "completion", "deploy", "events", "freeze", "freezes",
        "history", "hosts", "list", "logs", "plan", "promote", "providers", "queue", "resume",
        "rollback", "show", "status", "token", "unfreeze", "unlock", "webhook",
    }
)  # fmt: skip
HELP = ["-h", "--help"]


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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and refuse one that the chosen server cannot answer."""
        name, command, rest = super().resolve_command(ctx, args)
        asks = ctx.params.get("server") and not ctx.resilient_parsing and not {*HELP} & {*rest}
        if asks and name not in WITH_SERVER:
            raise here_only(f'"{name}"')
        return name, command, rest


@click.command(cls=Commands, context_settings={"help_option_names": HELP})
@click.option("-c", "--config", "config_path", metavar="FILE", help="The fraises.yaml to use.")
@click.option("--server", metavar="URL", envvar="FRAISIER_SERVER",
              help="Ask this server, with the token in FRAISIER_TOKEN.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
@click.option("-v", "--verbose", count=True, help="Show what the build said; twice: each task.")
@click.option("--no-color", is_flag=True, help="Print without colours.")
@click.version_option(__version__, prog_name="fraisier")
@click.pass_context
def cli(
    ctx: click.Context,
    config_path: str | None,
    server: str | None,
    as_json: bool,
    verbose: int,
    no_color: bool,
) -> None:
    """Deploy services to your own machines, and see what is true on them."""
    color = not no_color and sys.stderr.isatty()
    ctx.obj = Context(as_json, verbose, color, config_path, server or "")


def main() -> None:
    """Run the command line; every error that is ours ends as a sentence and an exit code."""
    attach()
    try:
        cli(prog_name="fraisier")
    except FraisierError as error:
        if "--json" in sys.argv[1:]:
            with outlived(sys.stdout):
                click.echo(json.dumps(error_json(error)))
        with outlived(sys.stderr):
            click.echo(f"fraisier: {harmless(str(error))}", err=True)
        sys.exit(code_of(error))


def error_json(error: FraisierError) -> dict[str, object]:
    """Return an error as `--json` prints it."""
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
