"""The first preparation of hosts: shown, and done only when that is said."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from fraisier.cli.arguments import target_arguments
from fraisier.cli.context import Context
from fraisier.cli.control import who
from fraisier.cli.exits import GENERAL
from fraisier.cli.harmless import harmless
from fraisier.cli.live import MARKS
from fraisier.cli.plan import colored, diff_lines
from fraisier.domain.catalogue import Target
from fraisier.domain.errors import UsageError
from fraisier.domain.event import Fact
from fraisier.engine.hosts import Hosts, answers
from fraisier.engine.tending import Where

LIMIT_SECONDS = 300.0

Json = dict[str, Any]


@click.command()
@target_arguments
@click.option("-y", "--yes", is_flag=True, help="Do it; without this it is only shown.")
@click.option("--as", "login", metavar="USER", help="Log in as this user, such as root.")
@click.option("--ssh-key", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="The private key of that user; default: ssh_key_path.")  # fmt: skip
@click.pass_obj
def setup(
    context: Context,
    fraise: str,
    environment: str,
    yes: bool,
    login: str | None,
    ssh_key: Path | None,
) -> None:
    """Prepare the hosts of FRAISE in ENVIRONMENT: user, folders, unit, right to restart it, proxy.

    Shows what it would do, with the text of each file, and does it with --yes. Nothing is started
    but the proxy. What is as it should be stays as it is.
    """
    application = context.application
    target = application.deployments.target(fraise, environment)
    works = list(_works(application.hosts, target, login, ssh_key))
    request = _request(target)
    if yes:
        where = Where(fraise, environment)
        application.store.add_audit(who(), "setup", str(where), f"as {login}" if login else "")
    found: list[Json] = []
    for verb, whom in works:
        found = _joined(found, _prepare(application.hosts, whom, verb, yes, request))
        if any(host["error"] for host in found):
            break
    text = "\n".join(line for host in found for line in _host(context, host, yes))
    context.emit({"done": yes, "hosts": found}, f"{text}\n{_summary(found, yes)}")
    sys.exit(GENERAL if any(host["error"] for host in found) else 0)


def _works(
    hosts: Hosts, target: Target, login: str | None, key: Path | None
) -> Iterator[tuple[str, Target]]:
    """Return what is to be run on which machines, or raise UsageError before any of it."""
    proxied = target.proxy is not None and target.proxy.kind == "haproxy"
    if hosts.can(target, "setup") or not proxied:
        hosts.playbook(target, "setup")  # whether it can be done, before who may do it
        yield "setup", as_root(target, login, key)
    if proxied:
        hosts.playbook(target, "proxy_setup")
        yield "proxy_setup", as_root(of_proxy(target), login, key)


def of_proxy(target: Target) -> Target:
    """Return the target as if its hosts were those that the proxy runs on."""
    if not target.proxy_hosts:
        return target
    become = any(host.username != "root" for host in target.proxy_hosts)
    return replace(target, hosts=target.proxy_hosts, become=become, inventory=None)


def _request(target: Target) -> Json:
    """Return what the playbooks are told, whoever logs in and wherever they run."""
    setup = {"plain_user": plain_user(target), "variables": has_variables(target)}
    proxy = {"proxy": target.proxy.as_request(target.hosts)} if target.proxy else {}
    return {"setup": setup, **proxy}


def _prepare(
    hosts: Hosts, target: Target, verb: str, yes: bool, request: Mapping[str, Any]
) -> list[Json]:
    """Run one playbook, and return each host's `state`, `error` and `changes`."""
    changes = _Changes()
    outcome = hosts.run(target, verb, LIMIT_SECONDS, tell=changes.tell, check=not yes, **request)
    return [
        {**{name: host[name] for name in ("host", "state", "error")}, "changes": changes.of(host)}
        for host in answers(outcome)
    ]


def _joined(before: Sequence[Json], more: Sequence[Json]) -> list[Json]:
    """Return what was found of each host, in one entry where it was prepared twice."""
    found = {host["host"]: host for host in before}
    for host in more:
        earlier = found.get(host["host"], {"changes": []})["changes"]
        found[host["host"]] = {**host, "changes": [*earlier, *host["changes"]]}
    return list(found.values())


def plain_user(target: Target) -> bool:
    """True where deployments log in as the service's user, who never becomes root."""
    return target.become is False and any(host.username != "root" for host in target.hosts)


def has_variables(target: Target) -> bool:
    """True where the service is given environment variables, plain or secret."""
    secret = any(":" not in purpose for purpose in target.secrets)
    return secret or bool(target.service.get("env_vars"))


def as_root(target: Target, login: str | None, key: Path | None) -> Target:
    """Return the target with its hosts reached by one who is root or becomes it.

    Raises UsageError where that cannot be said here.
    """
    if login is None:
        if key is not None:
            raise UsageError("--ssh-key needs --as", "name the user whose key it is")
        if plain_user(target):
            raise UsageError(
                "hosts are prepared by root, which become: false rules out",
                "say who may do it: --as USER, with root for USER, or one who may use sudo",
            )
        return target
    if target.inventory is not None:
        raise UsageError(
            f"how to log in to these hosts is said by {target.inventory.inventory}",
            "set ansible_user there for this once, and leave --as out",
        )
    hosts = tuple(
        replace(
            host, username=login, ssh_key_path=str(key.absolute()) if key else host.ssh_key_path
        )
        for host in target.hosts
    )
    return replace(target, hosts=hosts, become=login != "root")


class _Changes:
    """What tasks changed, or would change, by host."""

    def __init__(self) -> None:
        self._by_host: dict[str, list[Json]] = {}

    def tell(self, facts: Sequence[Fact]) -> None:
        """Take in what the run tells."""
        for fact in facts:
            if fact.type == "runner.task_changed" and fact.host:
                entry = {"task": fact.data.get("task"), "diff": texts(fact.data.get("diff"))}
                self._by_host.setdefault(fact.host, []).append(entry)

    def of(self, host: Mapping[str, Any]) -> list[Json]:
        """Return a host's changes, in order."""
        return self._by_host.get(host["host"], [])


def texts(diff: Any) -> list[Json]:
    """Return Ansible's diff entries; of a folder's or file's attributes what differs, in a line."""
    entries = diff if isinstance(diff, list) else []
    return [_text(entry) for entry in entries if isinstance(entry, Mapping)]


def _text(entry: Mapping[str, Any]) -> Json:
    before, after = entry.get("before"), entry.get("after")
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return dict(entry)
    changes = [
        f"{key} {before.get(key, 'unset')} → {value}"
        for key, value in after.items()
        if before.get(key) != value
    ]
    return {"prepared": f"{after.get('path') or before.get('path') or ''}: {', '.join(changes)}"}


def _host(context: Context, host: Json, done: bool) -> Iterator[str]:
    mark, color = MARKS[not host["error"]]
    nothing = "" if host["changes"] or host["error"] else "  nothing to do"
    yield f"{context.style(mark, fg=color)} {host['host']}{nothing}"
    for change in host["changes"]:
        yield f"  {'' if done else 'would '}{_sentence(change['task'])}"
        for entry in change["diff"]:
            yield from (f"    {colored(context, harmless(line))}" for line in diff_lines(entry))
    if host["error"]:
        yield f"  {harmless(host['error']['message'])}\n  {host['error'].get('hint', '')}"


def _sentence(task: str) -> str:
    name = task.rpartition(" : ")[2]
    return name[:1].lower() + name[1:]


def _summary(found: Sequence[Json], done: bool) -> str:
    count = sum(bool(host["changes"]) for host in found)
    if not done and count:
        return "nothing was changed; --yes does it"
    return f"{count} of {len(found)} hosts {'were changed' if done else 'would change'}"
