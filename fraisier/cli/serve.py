"""The server: the control API in this process."""

from __future__ import annotations

import click

from fraisier.cli.context import Context
from fraisier.domain.errors import FraisierError, UsageError

DEFAULT_BIND = "127.0.0.1:8000"


@click.command()
@click.option("--bind", default=DEFAULT_BIND, show_default=True, envvar="FRAISIER_BIND",
              metavar="ADDRESS:PORT", help="Where to listen.")  # fmt: skip
@click.pass_obj
def serve(context: Context, bind: str) -> None:
    """Serve the control API until it is stopped; this version answers health checks."""
    from waitress.server import create_server

    from fraisier.api import create_app

    host, port = _parse(bind)
    app = create_app(context.application.store)
    try:
        server = create_server(app, host=host, port=port, ident="fraisier")
    except OSError as error:
        raise FraisierError(
            f"cannot listen on {bind}: {error.strerror}", "choose another with --bind"
        ) from None
    context.say(f"fraisier serves on http://{bind} (health: http://{bind}/health); Ctrl-C stops it")
    server.run()


def _parse(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f'"{bind}" is no address to listen on', f"write it as {DEFAULT_BIND}")
    return host.strip("[]"), int(port)
