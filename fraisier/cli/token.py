"""Tokens for the control API, made where its database is."""

from __future__ import annotations

import re

import click

from fraisier.cli.context import Context, table
from fraisier.cli.control import who
from fraisier.domain.errors import UsageError
from fraisier.domain.token import Scope
from fraisier.engine.views import token_json

DAYS = {"h": 1 / 24, "d": 1, "w": 7}


@click.group()
def token() -> None:
    """Make, list and revoke tokens for the control API, on the machine of its database."""


@token.command()
@click.argument("name")
@click.option("--scope", type=click.Choice([scope.value for scope in Scope]),
              default=Scope.DEPLOY.value, show_default=True,
              help="How far it reaches: each holds those before it.")  # fmt: skip
@click.option("--expires", default="90d", show_default=True, metavar="TIME",
              help="How long it is valid: 12h, 90d, 52w, or never.")  # fmt: skip
@click.pass_obj
def create(context: Context, name: str, scope: str, expires: str) -> None:
    """Make a token and print it, this once: it is kept nowhere."""
    if not name.isprintable() or not 0 < len(name) <= 255:
        raise UsageError("the name of a token is 1 to 255 printable characters")
    made, secret = context.application.tokens.create(name, Scope(scope), _days(expires), who())
    shown = token_json(made)
    until = f"until {shown['expires_at']}" if made.expires_at else "until it is revoked"
    context.say(f"{made.id} ({scope}) is valid {until}; this is its secret, shown only now:")
    context.emit({**shown, "token": secret}, secret)


@token.command(name="list")
@click.pass_obj
def list_(context: Context) -> None:
    """List the tokens; nobody can show their secrets again."""
    found = [token_json(each) for each in context.application.tokens.all()]
    columns = ("id", "name", "scope", "valid", "expires_at", "last_used_at", "created_by")
    rows = [{**each, "valid": "yes" if each["valid"] else "no"} for each in found]
    context.emit({"tokens": found}, table(rows, columns))


@token.command()
@click.argument("token_id", metavar="ID")
@click.pass_obj
def revoke(context: Context, token_id: str) -> None:
    """Make a token invalid for good, from the next request on."""
    revoked = context.application.tokens.revoke(token_id, who())
    context.emit(token_json(revoked), f"{revoked.id} ({revoked.name}) is revoked")


def _days(text: str) -> float | None:
    if text == "never":
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text)
    if found is None:
        raise UsageError(f'"{text}" is no time', "write 12h, 90d, 52w or never")
    return int(found[1]) * DAYS[found[2]]
