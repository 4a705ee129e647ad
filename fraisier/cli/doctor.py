"""What stands in the way of a deployment, each with its fix."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from fraisier.cli.context import Context
from fraisier.domain.catalogue import Target
from fraisier.domain.errors import FraisierError
from fraisier.domain.plan import Work

PROGRAMS = {"git": "apt-get install git", "ssh": "apt-get install openssh-client"}
CONTACT_SECONDS = 60.0


@dataclass(frozen=True)
class Check:
    """One thing looked at: `fix` says what to do when it is not as it must be."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


@click.command()
@click.argument("fraise", required=False)
@click.argument("environment", required=False)
@click.pass_obj
def doctor(context: Context, fraise: str | None, environment: str | None) -> None:
    """Check this machine, the configuration, the database and every host; say each fix."""
    checks = []
    for check in _checks(context, fraise, environment):
        checks.append(check)
        if not context.json:
            mark = context.style("✓", fg="green") if check.ok else context.style("✗", fg="red")
            fix = f"\n    {check.fix}" if check.fix and not check.ok else ""
            click.echo(f"{mark} {check.name}: {check.detail}{fix}")
    if context.json:
        context.emit({"checks": [vars(check) for check in checks]}, "")
    sys.exit(0 if all(check.ok for check in checks) else 1)


def _checks(context: Context, fraise: str | None, environment: str | None) -> Iterator[Check]:
    yield from _machine()
    application = context.application
    loaded = _attempt("configuration", lambda: application.catalogue.path)
    yield loaded
    if not loaded.ok:
        return
    yield _attempt("database", lambda: _database(context))
    yield from _targets(context, _chosen(context, fraise, environment))


def _chosen(context: Context, fraise: str | None, environment: str | None) -> Sequence[Target]:
    catalogue = context.application.catalogue
    if fraise and environment:
        return [catalogue.target(fraise, environment)]
    if fraise:
        return list(catalogue.fraise(fraise).targets.values())
    return catalogue.targets()


def _machine() -> Iterator[Check]:
    for program, fix in PROGRAMS.items():
        found = shutil.which(program)
        yield Check(program, found is not None, found or "not found on PATH", fix)
    playbook = Path(sys.executable).parent / "ansible-playbook"
    fix = "install Fraisier with its dependencies: pip install fraisier"
    yield Check("ansible-playbook", playbook.exists(), str(playbook), fix)


def _database(context: Context) -> str:
    context.application.store.installation()
    return context.application.database_url


def _targets(context: Context, targets: Sequence[Target]) -> Iterator[Check]:
    application = context.application
    for target in targets:
        name = f"{target.fraise} {target.environment}"
        asked = (target.repository, None, target.branch)
        yield _attempt(f"{name} repository", partial(application.repositories.resolve, *asked))
        yield _attempt(f"{name} secrets", partial(application.secrets_of, target))
        yield from _hosts(context, target, name)


def _hosts(context: Context, target: Target, name: str) -> Iterator[Check]:
    provider = context.application.catalogue.providers[target.provider]
    request = {
        "deployment": "doctor",
        "installation": context.application.store.installation(),
        "service": dict(target.service),
        "fence": {},
    }
    work = Work(
        "doctor", "probe", provider.playbooks["probe"], target.hosts, target.become,
        request, {}, CONTACT_SECONDS, inventory=target.inventory,
    )  # fmt: skip
    begun = time.monotonic()
    outcome = context.application.runner.run(work, lambda _facts: None, lambda: False)
    took = time.monotonic() - begun
    for host in outcome.hosts.values():
        error = host.error or {}
        good = f"answers, may become root, has Python ({took:.1f} s for all)"
        detail = good if host.ok else error.get("message", "no answer")
        yield Check(f"{name} host {host.host}", host.ok, detail, error.get("hint", ""))


def _attempt(name: str, action: Callable[[], object]) -> Check:
    try:
        return Check(name, True, str(action()))
    except FraisierError as error:
        return Check(name, False, error.message, error.hint)
