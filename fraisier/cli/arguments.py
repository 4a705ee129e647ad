"""Arguments and options that several commands share, and how the shell completes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from fraisier.cli.context import Context
from fraisier.cli.control import Control
from fraisier.domain.errors import FraisierError, UsageError
from fraisier.domain.ports import Filter

Command = Callable[..., None]

OFFERED = 20
#: A reason has at most so many characters.
LONGEST = 1000


def target_arguments(command: Command) -> Command:
    """Give a command the two arguments that name a target."""
    return _fraise()(_environment()(command))


def optional_target(command: Command) -> Command:
    """Give a command two arguments that may name a fraise, or a target."""
    return _fraise(required=False)(_environment(required=False)(command))


def deployment_argument(command: Command) -> Command:
    """Give a command the argument that names a deployment."""
    return click.argument("deployment_id", metavar="ID", shell_complete=_deployments)(command)


def break_glass_option(command: Command) -> Command:
    """Give a command the option that lets it go past freezes and deploy windows."""
    return click.option(
        "--break-glass",
        metavar="REASON",
        help="Go past freezes and deploy windows; the reason is recorded and told.",
    )(command)


def break_glass_reason(text: str | None) -> str | None:
    """Return the reason for breaking the glass, which there must be; raise UsageError."""
    if text is not None and (not text.strip() or not text.isprintable() or len(text) > LONGEST):
        raise UsageError(f"--break-glass needs a reason: 1 to {LONGEST} printable characters")
    return text


def waiting_options(command: Command) -> Command:
    """Give a command the options that say how long it stays."""
    wait = click.option("--wait", is_flag=True, help="Wait for the end (without a server: always).")
    follow = click.option(
        "--follow", is_flag=True, help="Wait, and show the output of builds as hosts report it."
    )
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        help="Wait at most this long; without a server the deployment is then cancelled.",
    )
    return wait(follow(timeout(command)))


def _fraise(**more: Any) -> Callable[[Command], Command]:
    return click.argument("fraise", shell_complete=_fraises, **more)


def _environment(**more: Any) -> Callable[[Command], Command]:
    return click.argument("environment", shell_complete=_environments, **more)


def _fraises(ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    return _offer(ctx, begun, lambda control: [(t["fraise"], "") for t in control.targets()])


def _environments(ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    def of_the_fraise(control: Control) -> list[tuple[str, str]]:
        found = [t for t in control.targets() if t["fraise"] == ctx.params.get("fraise")]
        return [(target["environment"], target["provider"]) for target in found]

    return _offer(ctx, begun, of_the_fraise)


def _deployments(ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    def newest(control: Control) -> list[tuple[str, str]]:
        if not control.targets():  # asked first, so that no records are made where nothing is
            return []
        found = control.deployments(Filter(limit=OFFERED))
        return [(d["id"], f"{d['fraise']} {d['environment']} {d['status']}") for d in found]

    return _offer(ctx, begun, newest)


def _offer(
    ctx: click.Context, begun: str, words: Callable[[Control], list[tuple[str, str]]]
) -> list[CompletionItem]:
    """Return the words that go on as begun; none where Fraisier cannot answer, as shells expect."""
    given = ctx.find_root().params
    context = Context(config_path=given.get("config_path"), server=given.get("server") or "")
    try:
        found = dict(words(context.control))
    except FraisierError:
        return []
    return [
        CompletionItem(word, help=said) for word, said in found.items() if word.startswith(begun)
    ]
