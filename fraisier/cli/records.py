"""The records as a whole: copied to a file, put back, and kept small."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fraisier.cli.context import Context
from fraisier.cli.control import who
from fraisier.cli.database import chosen, shown, url_option
from fraisier.domain.errors import Refused


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@url_option
@click.pass_obj
def backup(context: Context, file: Path, url: str | None) -> None:
    """Copy all records to FILE, while they are in use; any kind of database can take them back."""
    from fraisier.store.backup import back_up

    done = back_up(chosen(context, url), file)
    context.emit(done, f"{file}: {_rows(done['rows'])} (schema {done['schema']})")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@url_option
@click.option("-y", "--yes", is_flag=True, help="Replace the records that are there; do not ask.")
@click.pass_obj
def restore(context: Context, file: Path, url: str | None, yes: bool) -> None:
    """Replace all records by those of a backup: all of them, or nothing is changed.

    Where deployments had not ended when the backup was made, the queue is paused.
    """
    from fraisier.store.archive import verify
    from fraisier.store.restore import holds
    from fraisier.store.restore import restore as put_back

    database = chosen(context, url)
    verify(file)
    many = holds(database)
    if many and not yes:
        _ask(f"{shown(database)} has {many} deployments. Replace all its records?")
    done = put_back(database, file, who())
    context.emit(done, f"{shown(database)}: {_rows(done['rows'])}, read again and the same")
    if done["unfinished"]:
        context.say(
            f"{done['unfinished']} deployments had not ended, so the queue is paused: look at "
            "their hosts, then: fraisier queue resume"
        )


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.pass_obj
def prune(context: Context, dry_run: bool) -> None:
    """Remove records that are older than `retention` of fraises.yaml says."""
    from fraisier.domain.ids import now
    from fraisier.store.database import open_database
    from fraisier.store.retention import prune as remove

    application = context.application
    retention = application.catalogue.retention
    if retention.keeps_all:
        context.emit({}, "nothing to do: fraises.yaml has no retention, so all records are kept")
        return
    engine = open_database(application.database_url, application.settings.database_pool)
    pruned = remove(engine, retention, now(), dry_run)
    said = (
        f"{pruned.deployments} deployments, {pruned.events} events and "
        f"{pruned.log_lines} lines of logs"
    )
    context.emit(vars(pruned), f"{'would remove' if dry_run else 'removed'} {said}")


def _rows(rows: dict[str, int]) -> str:
    return f"{rows.get('deployments', 0)} deployments, {sum(rows.values())} rows in all"


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise Refused("there is nobody to ask whether to replace the records", "say --yes")
    if not click.confirm(question, err=True):
        raise Refused("nothing was restored")
