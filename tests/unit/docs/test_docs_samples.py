"""Sample output in the documents is what the program prints today: each line is rendered anew.

A sample of a command that nothing here renders fails too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from fraisier.api.http_server import THREADS
from fraisier.cli import app, db, hosts, queue
from fraisier.cli.cancel import cancel
from fraisier.cli.context import Context, table
from fraisier.cli.deploy import stay
from fraisier.cli.live import Live
from fraisier.cli.serve import announcement
from fraisier.cli.steps import planned
from fraisier.config.providers import load_providers
from fraisier.domain.errors import FraisierError
from fraisier.domain.freeze import Freeze, stop_of
from fraisier.domain.host import Host
from fraisier.host_keys import Key, KnownHosts
from fraisier.store.database import HEAD
from fraisier.store.status import _DURABLE, COUNTED
from support import pages, samples
from support.fakes import make_target

OLD, NEW, BAD = "5696e0f" + "0" * 33, "aa8e903" + "0" * 33, "8055a5a" + "0" * 33
AT = "2026-11-23T16:04:05.000Z"
TIMES = [{"name": name, "seconds": 0.5, "changed": True} for name in ("build", "build", "gate")]
FAILED = "my_api (8055a5ad304f) is not healthy after 12 tries in 5.0 s: HTTP 500"
HINT = "read the log of the service; the check must pass within healthy_deadline"
#: The samples that are no console: where they are, and the first line that they have.
TEXTS = (
    ("docs/GETTING_STARTED_MYSQL.md", "mysql://", "fraisier db status"),
    ("docs/GETTING_STARTED_POSTGRES.md", "postgresql://", "fraisier db status"),
    ("docs/WORKERS.md", "the queue goes on", "fraisier queue"),
    ("docs/STRATEGIES.md", "  1. preflight", "fraisier plan"),
)


def shape(line: str) -> str:
    """Return a line without what is another each time: ids, commits, times, numbers, columns."""
    for pattern, mark in (
        (r"\b(dep|wrk|frz)_[0-9a-z]+…?", "ID"), (r"SHA256:\S+", "KEY"),
        (r"\b\d{8}-\d{6}-[0-9a-f]{7}\b", "RELEASE"), (r"\b[0-9a-f]{7,40}\b", "COMMIT"),
        (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?", "TIME"),
        (r"(?<![\w.])(?!0\d)\d+(\.\d+)*", "N"),
    ):  # fmt: skip
        line = re.sub(pattern, mark, line)
    return re.sub(r"\s+", " ", line).strip()


class Stub:
    """Control that answers with what a sample needs."""

    alone = False

    def cancel(self, _id: str) -> dict[str, Any]:
        return {**samples.deployment(), "status": "in_progress"}


def printed(call: Callable[[Context], object]) -> list[str]:
    """Return what a call prints, on both streams."""

    @click.command()
    def command() -> None:
        context = Context(color=False)
        context.__dict__["control"] = Stub()
        call(context)

    return CliRunner().invoke(command).output.splitlines()


def release(version: str) -> dict[str, str]:
    """Return a release as events have it."""
    return {"id": "r", "version": version}


def carried_out(
    kind: str, version: str, ended: str, hosts: list[dict[str, Any]], **more: Any
) -> list[str]:
    """Return what a terminal shows of a deployment."""
    shown = {
        **samples.details(), "kind": kind, "version": version, "fraise": "my_api",
        "targets": ["127.0.10.4"], "requested_version": None, "branch": "main",
        "status": ended, "reason": "", "duration_seconds": 3.7, **more,
    }  # fmt: skip

    def call(context: Context) -> None:
        live = Live(context, shown, verbose=0)
        live.tell([{"type": "deployment.queued", "host": None, "data": {}}])
        for data in hosts:
            step = {"verb": data["verb"], "hosts": ["127.0.10.4"]}
            live.tell([{"type": "deployment.step", "host": None, "data": step}])
            whole = {"state": "ok", "changed": True, "switched": True, "steps": TIMES, **data}
            done = "deployment.host_completed"
            live.tell([{"type": done, "host": "127.0.10.4", "data": whole}])
        context.say(live.verdict(shown))

    return printed(call)


def deployments() -> Iterator[str]:
    """Yield all that `fraisier deploy` shows in a sample."""
    good = {"verb": "deploy", "release": release(NEW), "previous": release(OLD)}
    yield from carried_out("deploy", NEW, "success", [good])
    error = {"code": "health_check_failed", "message": FAILED, "hint": HINT}
    bad = {"verb": "deploy", "state": "failed", "error": error}
    back = {"verb": "restore", "release": release(NEW), "steps": TIMES[-1:]}
    reason = (
        f"127.0.10.4: {FAILED} [health_check_failed]; the earlier release serves again on "
        "127.0.10.4"
    )
    yield from carried_out("deploy", BAD, "rolled_back", [bad, back], reason=reason)
    asked = {**samples.deployment(), "fraise": "my_api", "status": "pending", "reason": ""}
    asked |= {"duration_seconds": None, "targets": []}
    yield from printed(lambda context: stay(context, asked, False, False, None))
    yield from refused()


def refused() -> Iterator[str]:
    """Yield how a freeze refuses a deployment."""
    day = 86_400_000_000
    frozen = Freeze("*", "*", "the sale", "cli:ana", 0, 20_000 * day, id="frz_1", created_at=0)
    stop = stop_of(make_target(fraise="my_api"), [frozen], day)
    assert stop is not None
    error: FraisierError = stop.refusal()
    yield from f"fraisier: {error}".splitlines()


def rollbacks() -> Iterator[str]:
    """Yield what `fraisier rollback` shows."""
    back = {"verb": "restore", "release": release(OLD), "steps": TIMES[-1:]}
    yield from carried_out("rollback", OLD, "success", [back])


def services() -> Iterator[str]:
    """Yield what `fraisier app status` shows."""
    unit = {"active_state": "active", "sub_state": "running", "main_pid": 777, "n_restarts": 0}
    found = {
        "host": "127.0.10.4", "error": None, "unit": unit, "since": 1_800_000_000, "ok": True,
        "release": {"id": "20261123-132545-ba4433a", "version": "ba4433a" + "0" * 33},
        "memory_bytes": 9.1 * 2**20,
    }  # fmt: skip
    yield from app._status_text([found]).splitlines()


def known_providers() -> Iterator[str]:
    """Yield what `fraisier providers` shows, with the provider of the document's example."""
    page = pages.page("docs/CUSTOM_PROVIDER.md")
    said = re.search(r"^description: (.*)$", page.text, re.M)
    assert said is not None
    own = {"name": "static_site", "strategies": "recreate, rolling", "role": "static_site"}
    rows = [
        {"name": each.name, "strategies": ", ".join(each.strategies), "role": each.role,
         "description": each.description}
        for each in load_providers(pages.TOP, {}).values()
    ]  # fmt: skip
    columns = ("name", "strategies", "role", "description")
    yield from table([*rows, {**own, "description": said[1]}], columns).splitlines()


def trusted() -> Iterator[str]:
    """Yield what `fraisier hosts trust` shows, and the answer of the reader."""
    key = Key("ssh-ed25519", "AAAA")
    known = KnownHosts(Path("/home/me/.ssh/fraisier_known_hosts"))
    shown = hosts.Shown(Host("production-1.example.com", "a"), known, new=[key])
    yield from hosts._shown_text(shown).splitlines()
    yield f"{hosts.QUESTION} [y/N]: y"
    yield hosts._trust_summary([shown], {"production-1.example.com": [key]})


def databases() -> Iterator[str]:
    """Yield what `fraisier db status` shows of each kind of database."""
    servers = {"mysql": "10.11.14-MariaDB-0+deb12u2", "postgresql": "PostgreSQL 15.14"}
    urls = {"mysql": "mysql://fraisier:***@127.0.0.1:3306/fraisier",
            "postgresql": "postgresql://fraisier:***@localhost:5432/fraisier"}  # fmt: skip
    for kind, server in servers.items():
        facts = {
            "url": urls[kind], "revision": HEAD, "newest": HEAD, "server": server,
            "milliseconds": 0.2, "counts": dict.fromkeys(COUNTED, 0), "bytes": 8 * 2**20,
            "settings": {name: safe[0] for name, safe in _DURABLE[kind].items()}, "pool": 20,
        }  # fmt: skip
        yield from db._facts_text(facts).splitlines()


def queues() -> Iterator[str]:
    """Yield what `fraisier queue` shows while one of two workers works and one request waits."""
    found = {"fraise": "my_api", "environment": "production", "version": NEW}
    runs = {**found, "id": "dep_1", "started_at": AT, "worker": {"name": "one", "alive": True}}
    waits = {**found, "id": "dep_2", "created_at": AT, "position": 1}
    workers = [
        {"id": "wrk_1", "name": name, "alive": True, "kind": "worker", "labels": {},
         "running": [], "at_once": 2, "version": "0.1.0", "started_at": AT}
        for name in ("one", "two")
    ]  # fmt: skip
    why = "dep_1 is under way"
    shown = {"paused": None, "running": [runs], "queued": 1, "workers": workers,
             "waiting": [{**waits, "waiting_for": why}]}  # fmt: skip
    yield from queue._text(shown).splitlines()


def plans() -> Iterator[str]:
    """Yield the steps of a canary."""
    both = ["web-1", "web-2"]
    steps: list[dict[str, Any]] = [
        {"verb": "preflight", "hosts": both}, {"verb": "stage", "hosts": both},
        {"verb": "shift", "hosts": both, "args": {"weight": 10, "seconds": 60, "analysis": [1]}},
        {"verb": "shift", "hosts": both, "args": {"weight": 50, "hold": True}},
        {"verb": "promote", "hosts": both},
    ]  # fmt: skip
    yield from (f"  {number}. {planned(step)}" for number, step in enumerate(steps, 1))


#: What renders the output of a command, by how the command begins.
RENDERED: dict[str, Callable[[], Iterator[str]]] = {
    "fraisier deploy": deployments,
    "fraisier rollback": rollbacks,
    "fraisier cancel": lambda: iter(
        printed(lambda context: cancel.callback.__wrapped__(context, "dep_1"))  # type: ignore[union-attr]
    ),
    "fraisier serve": lambda: iter([announcement("127.0.0.1:8000")]),
    "fraisier app status": services,
    "fraisier providers": known_providers,
    "fraisier hosts trust": trusted,
    "fraisier db status": databases,
    "fraisier queue": queues,
    "fraisier plan": plans,
}


def outputs() -> Iterator[tuple[str, str, list[str]]]:
    """Yield every sample: where it is, the command, and its lines of output."""
    for page in pages.pages():
        for block in page.blocks("console"):
            command, lines = "", []
            for line in [*block.text.splitlines(), "$ "]:
                if not line.startswith("$ "):
                    lines.append(line)
                    continue
                if command.startswith("fraisier ") and any(map(str.strip, lines)):
                    yield f"{page.name}:{block.line}", command, lines
                command, lines = line.removeprefix("$ "), []
    for name, begins, command in TEXTS:
        (block,) = [b for b in pages.page(name).blocks("text") if b.text.startswith(begins)]
        yield f"{name}:{block.line}", command, block.text.splitlines()


SAMPLES = list(outputs())


@pytest.mark.parametrize(("where", "command", "lines"), SAMPLES, ids=[s[0] for s in SAMPLES])
def test_a_sample_is_what_the_program_prints(where: str, command: str, lines: list[str]) -> None:
    renders = next((found for words, found in RENDERED.items() if command.startswith(words)), None)
    assert renders is not None, f"{where}: nothing here renders the output of {command}"
    today = {shape(line) for line in renders()}
    for line in filter(str.strip, lines):
        assert shape(line) in today, f"{where}: not printed any more: {line}"


@pytest.mark.parametrize("kind", ["POSTGRES", "MYSQL"])
def test_figures_of_the_server_in_the_documents_are_its_own(kind: str) -> None:
    text = pages.page(f"docs/GETTING_STARTED_{kind}.md").text
    assert f"answers with {THREADS} threads" in text
