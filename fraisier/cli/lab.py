"""`fraisier lab`: disposable hosts on this machine to try a roll-out on."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from fraisier.cli.context import Context

if TYPE_CHECKING:
    from fraisier.lab import Lab, LabHost

NAME_OPTION = click.option(
    "--name", default="default", show_default=True, help="Which lab; each has its own hosts."
)


@click.group()
def lab() -> None:
    """Make and remove disposable hosts on this machine."""


@lab.command()
@click.option("--hosts", type=click.IntRange(1, 254), help="How many, at least; 1 if not said.")
@NAME_OPTION
@click.option("--address", "addresses", multiple=True, help="Give a new host this address.")
@click.option(
    "--port", "ports", multiple=True, type=click.IntRange(1, 65535), help="Publish this port too."
)
@click.option(
    "--reclaim", is_flag=True, help="Take the lowest addresses, removing hosts that have them."
)
@click.option("--engine", is_flag=True, help="With a Docker engine of its own in each host.")
@click.pass_obj
def up(
    context: Context,
    hosts: int | None,
    name: str,
    addresses: tuple[str, ...],
    ports: tuple[int, ...],
    reclaim: bool,
    engine: bool,
) -> None:
    """Start hosts with systemd and sshd; those already there are kept."""
    from fraisier import lab as labs

    made = labs.up(
        name,
        hosts or max(1, len(addresses)),
        reclaim=reclaim,
        ports=ports,
        addresses=addresses,
        engine=engine,
        say=context.say,
    )
    lines = [
        _table([made]),
        "",
        f"inventory     {made.inventory}",
        f"fraises.yaml  {made.config}",
        f"repositories  {made.git}",
    ]
    context.emit(_lab_data(made), "\n".join(lines))


@lab.command()
@NAME_OPTION
@click.option("--all", "everything", is_flag=True, help="Every lab of this machine.")
@click.pass_obj
def down(context: Context, name: str, everything: bool) -> None:
    """Remove a lab's hosts, then its folder."""
    from fraisier import lab as labs

    if everything and _is_given("name"):
        raise click.UsageError("--name and --all cannot both be given")
    asked = labs.names() if everything else [name]
    removed = [each for each in asked if labs.down(each, say=context.say)]
    absent = "there is no lab" if everything else f'there is no lab "{name}"'
    context.emit({"removed": removed}, "\n".join(f"removed {each}" for each in removed) or absent)


@lab.command()
@click.pass_obj
def status(context: Context) -> None:
    """List every lab of this machine, its hosts and how to log in."""
    from fraisier import lab as labs

    found = labs.status()
    text = _table(found) if found else "no lab is up; start one with: fraisier lab up --hosts 1"
    context.emit({"labs": [_lab_data(each) for each in found]}, text)


def _is_given(option: str) -> bool:
    source = click.get_current_context().get_parameter_source(option)
    return source is not click.core.ParameterSource.DEFAULT


def _lab_data(made: Lab) -> dict[str, Any]:
    return {
        "name": made.name,
        "folder": str(made.folder),
        "inventory": str(made.inventory),
        "config": str(made.config),
        "known_hosts": str(made.known_hosts),
        "key": str(made.key),
        "git": str(made.git),
        "hosts": [_host_data(made, host) for host in made.hosts],
    }


def _host_data(made: Lab, host: LabHost) -> dict[str, Any]:
    return {
        "name": host.name,
        "address": host.address,
        "port": host.port,
        "ports": list(host.ports),
        "container": host.container,
        "engine": host.engine,
        "state": host.state,
        "ssh": shlex.join(made.ssh(host)),
    }


def _table(labs: list[Lab]) -> str:
    """One line per host: lab, host, address, state, and the command that logs in."""
    rows = [("LAB", "HOST", "ADDRESS", "STATE", "SSH")]
    rows += [
        (each.name, host.name, host.address, host.state, shlex.join(each.ssh(host)))
        for each in labs
        for host in each.hosts
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )
