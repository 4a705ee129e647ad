"""Tokens for the control API: made, listed, given another secret, revoked; here or on a server."""

from __future__ import annotations

from collections.abc import Sequence

import click

from fraisier.cli.context import Context, table
from fraisier.cli.control import Json
from fraisier.domain.errors import UsageError
from fraisier.domain.reach import ALL
from fraisier.domain.token import DAYS_OF_TOKENS, LONGEST_OVERLAP, Scope

SHOWN = ("id", "name", "scope", "only", "valid", "expires_at", "last_used_at", "created_by")


@click.group()
def token() -> None:
    """Make, list, rotate and revoke tokens for the control API."""


@token.command()
@click.argument("name")
@click.option("--scope", type=click.Choice([scope.value for scope in Scope]),
              default=Scope.DEPLOY.value, show_default=True,
              help="How far it reaches: each holds those before it.")  # fmt: skip
@click.option("--only", "targets", multiple=True, metavar="PATTERN",
              help="Only these targets: FRAISE/ENVIRONMENT, each a name, * or the beginning of "
                   "names and then *. May be repeated.")  # fmt: skip
@click.option("--expires", default=DAYS_OF_TOKENS, show_default=True, metavar="TIME",
              help="How long it is valid: 12h, 90d, 52w, or never.")  # fmt: skip
@click.pass_obj
def create(context: Context, name: str, scope: str, targets: Sequence[str], expires: str) -> None:
    """Make a token and print it, this once: it is kept nowhere."""
    if not name.isprintable() or not 0 < len(name) <= 255:
        raise UsageError("the name of a token is 1 to 255 printable characters")
    _tell_secret(context, context.control.create_token(name, scope, targets or (ALL,), expires))


@token.command(name="list")
@click.pass_obj
def list_(context: Context) -> None:
    """List the tokens; nobody can show their secrets again."""
    found = context.control.tokens()
    rows = [
        {**each, "valid": "yes" if each["valid"] else "no", "only": _only(each) or "all"}
        for each in found
    ]
    context.emit({"tokens": found}, table(rows, SHOWN))


@token.command()
@click.argument("token_id", metavar="ID")
@click.option("--overlap", type=click.FloatRange(0, LONGEST_OVERLAP), default=0.0,
              metavar="SECONDS", show_default=True,
              help="How long the secret before stays valid.")  # fmt: skip
@click.pass_obj
def rotate(context: Context, token_id: str, overlap: float) -> None:
    """Give a token another secret and print it, this once.

    It is valid as long again as it was. What is done with it is recorded under the same ID.
    """
    made = context.control.rotate_token(token_id, overlap)
    context.say(f"the secret before it is valid until {made['previous_until']}")
    _tell_secret(context, made)


@token.command()
@click.argument("token_id", metavar="ID")
@click.option("--with-made", is_flag=True,
              help="Also every token that it made, or that those made.")  # fmt: skip
@click.pass_obj
def revoke(context: Context, token_id: str, with_made: bool) -> None:
    """Make a token invalid for good, from the next request on."""
    revoked = context.control.revoke_token(token_id, with_made)
    others = "".join(f"\n{each} is revoked" for each in revoked.get("revoked_with_it", ()))
    context.emit(revoked, f"{revoked['id']} ({revoked['name']}) is revoked{others}")


def _tell_secret(context: Context, made: Json) -> None:
    until = f"until {made['expires_at']}" if made["expires_at"] else "until it is revoked"
    what = f"{made['scope']} on {_only(made)}" if _only(made) else made["scope"]
    context.say(f"{made['id']} ({what}) is valid {until}; this is its secret, shown only now:")
    context.emit(made, made["token"])


def _only(token: Json) -> str:
    """Return what a token is restricted to; empty where it is not."""
    return "" if ALL in token["targets"] else ", ".join(token["targets"])
