"""What is done with a service says and ends the same, alone and through a server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from fraisier.api import Services, create_app
from fraisier.cli.app import app
from fraisier.cli.backups import backups
from fraisier.cli.client import RemoteControl
from fraisier.cli.context import Context
from fraisier.cli.hosts import hosts
from fraisier.cli.local import LocalControl
from fraisier.cli.transport import Transport
from fraisier.domain.errors import Forbidden, FraisierError, Refused, UsageError
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Work
from fraisier.domain.token import Scope
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.hosts import Hosts
from fraisier.engine.preview import Previews
from fraisier.engine.queue import Stop
from fraisier.engine.tending import Tending, Where
from fraisier.engine.tokens import Tokens
from fraisier.store import SqlStore
from support.fakes import (
    PROVIDER,
    Inventories,
    Repositories,
    ScriptedRunner,
    begin,
    make_catalogue,
    make_target,
)
from support.in_process import Quiet, migrated

UNIT = {"active_state": "active", "sub_state": "running", "main_pid": 7, "n_restarts": 0}
WELL = {"unit": UNIT, "release": {"id": "r1", "version": "v1"}, "since": 1_800_000_000}
BACKUP = {
    "id": "b1", "at": 1_800_000_000, "deployment": "dep_1", "why": "deployment",
    "version": "v1", "bytes": 1 << 20, "paths": ["/var/lib/api"],
}  # fmt: skip
WHERE = Where("api", "production")
GATE = {"seconds": 1.0, "tries": 1}


class Tended:
    """Hosts that answer as told: `bad` ones are unwell, `silent` ones give no answer."""

    def __init__(self) -> None:
        self.bad: set[str] = set()
        self.silent: set[str] = set()
        self.works: list[Work] = []
        self.during: Callable[[], None] = lambda: None

    def prepare(self, inventory: object = None, here: bool = False) -> None:
        """Need nothing."""

    def close(self) -> None:
        """Leave nothing."""

    def run(self, work: Work, on_facts: object, cancelled: Callable[[], bool]) -> Outcome:
        """Answer for every host."""
        self.works.append(work)
        self.during()
        return Outcome("done", {host.name: self._host(work, host.name) for host in work.hosts})

    def _host(self, work: Work, name: str) -> HostOutcome:
        if name in self.silent:
            error = {"code": "host_unreachable", "message": "no \x1b[2Janswer", "hint": "look"}
            return HostOutcome(name, "unreachable", {}, error)
        if name in self.bad:
            error = {"code": "health_check_failed", "message": "not healthy", "hint": "look"}
            return HostOutcome(name, "failed", {"app": {**WELL, "memory_bytes": 1}}, error)
        return HostOutcome(name, "ok", self._answer(work.verb, work.request), None)

    def _answer(self, verb: str, request: Any) -> dict[str, Any]:
        if verb == "probe":
            fence = {"number": 1, "released": True}
            return {"release": {"id": "r1", "version": "v1"}, "unit": UNIT, "fence": fence}
        if verb == "backup":
            return {"backup": {"backups": [BACKUP]}}
        action = request["app"]["action"]
        if action == "logs":
            text = f"asked {sorted(request['app'])}"
            entry = {"at": 1_800_000_000.5, "source": "api", "text": text}
            return {"app": {"entries": [entry], "cursor": "s=1;i=2", "now": 1_800_000_001.0}}
        if action == "exec":
            output = " ".join(request["app"]["argv"])
            return {"app": {"exit_status": 3, "output": output, "timed_out": False}}
        return {"app": {**WELL, "ok": True, "memory_bytes": 1 << 20}, "gate": GATE}


class House:
    """One target with two hosts, its engine, and the API before it."""

    def __init__(self, folder: Path) -> None:
        (folder / "records.db").write_bytes(migrated())
        self.store = SqlStore.open(f"sqlite:///{folder / 'records.db'}")
        around = {"around": {"backup": {"paths": ["/var/lib/api"]}}}
        self.target = make_target("web-1", "web-2", service=around)
        verbs = {**PROVIDER.playbooks, "app": "app", "backup": "backup"}
        catalogue = make_catalogue(self.target, replace(PROVIDER, playbooks=verbs))
        self.runner, self.stop = Tended(), Stop()
        self.deployments = Deployments(catalogue, self.store, Repositories(), Inventories())
        work = Hosts(catalogue, self.store, self.runner)
        self.tending = Tending(self.deployments.target, self.store, lambda: nullcontext(work))
        previews = Previews(catalogue, self.store, self.deployments, ScriptedRunner)
        self.tokens = Tokens(self.store)
        self.services = Services(
            catalogue, self.store, self.tokens, self.deployments, previews, stop=self.stop,
            tending=self.tending,
        )  # fmt: skip

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve the API and give its URL."""
        server = make_server(
            "127.0.0.1", 0, create_app(self.services), threaded=True, request_handler=Quiet
        )
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def remote(self, url: str, scope: Scope = Scope.ADMIN) -> RemoteControl:
        """Return a client with a token."""
        return RemoteControl(Transport(url, self.tokens.create("t", scope, 1, "cli:me")[1]))

    def local(self) -> LocalControl:
        """Return the same without a server."""
        application: Any = SimpleNamespace(tending=self.tending)
        return LocalControl(application)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Return such a house."""
    return House(tmp_path)


def said(control: Any, group: click.Group, *words: str, as_json: bool = False) -> Result:
    """Run a command on who answers it."""
    context = Context(json=as_json, color=False)
    context.__dict__["control"] = control
    return CliRunner().invoke(group, [words[0], "api", "production", *words[1:]], obj=context)


ASKED: Sequence[tuple[click.Group, tuple[str, ...]]] = [
    (hosts, ("probe",)),
    (app, ("status",)),
    (app, ("status", "--host", "web-2")),
    (app, ("status", "--host", "web-9")),
    (app, ("logs",)),
    (app, ("logs", "-n", "5", "--since", "2026-11-23")),
    (app, ("restart",)),
    (app, ("start", "--host", "web-1")),
    (app, ("stop",)),
    (app, ("exec", "--timeout", "5", "--", "echo", "a b", "; c")),
    (backups, ("list",)),
    (backups, ("take", "--host", "web-1")),
    (backups, ("restore", "b1", "--yes")),
    (backups, ("restore",)),
]


@pytest.mark.parametrize("state", ["well", "bad", "silent"])
@pytest.mark.parametrize("as_json", [False, True])
def test_every_command_says_the_same_and_asks_the_same(
    house: House, state: str, as_json: bool
) -> None:
    if state != "well":
        getattr(house.runner, state).add("web-1")
    with house.serving() as url:
        controls = [house.local(), house.remote(url)]
        for group, words in ASKED:
            ends = []
            for control in controls:
                house.runner.works.clear()
                result = said(control, group, *words, as_json=as_json)
                asked = [(w.verb, w.request, w.timeout, w.hosts) for w in house.runner.works]
                known = isinstance(result.exception, FraisierError | SystemExit | None)
                assert known, result.exception
                ends.append((result.exit_code, result.output, str(result.exception), asked))
            assert ends[0] == ends[1], words


def test_what_was_done_with_a_backup_is_said(house: House) -> None:
    house.runner.silent.add("web-1")
    control = house.local()
    restored = said(control, backups, "restore", "--yes")
    assert restored.exit_code == 1
    assert "restored on web-2: b1" in restored.output
    assert "restored on web-1" not in restored.output
    assert "taken on web-2: b1" in said(control, backups, "take").output
    listed = said(control, backups, "list").output
    assert not any(word in listed for word in ("restored on", "taken on"))


def test_a_log_is_followed_from_where_it_was(house: House) -> None:
    with house.serving() as url:
        control = house.remote(url)
        first, then = control.app_logs(WHERE, {"lines": 5}, bool, True)
        assert "lines" in first[0]["entries"][0]["text"]
        control.app_logs(WHERE, then, bool, True)
    asked = house.runner.works[-1].request["app"]
    assert asked["after"] == {"web-1": "s=1;i=2", "web-2": "s=1;i=2"}
    assert "lines" not in asked


def test_nothing_is_restarted_while_a_deployment_is_at_work(house: House) -> None:
    asked = house.deployments.deploy(Wish("api", "production", "cli:me", version="v1"))
    begin(house.store, asked.id)
    with house.serving() as url:
        control = house.remote(url)
        for do in (
            lambda: control.app_control(WHERE, "restart", print),
            lambda: control.take_backup(WHERE),
            lambda: control.restore_backup(WHERE, ""),
        ):
            with pytest.raises(Refused, match=asked.id):
                do()
        assert control.app_status(WHERE)
    assert {work.request["app"]["action"] for work in house.runner.works} == {"status"}


def test_one_at_a_time_changes_a_target(house: House) -> None:
    with house.serving() as url:
        control, refused = house.remote(url), []

        def meanwhile() -> None:
            house.runner.during = lambda: None
            with pytest.raises(Refused) as caught:
                control.app_control(WHERE, "stop", print)
            refused.append(caught.value)

        house.runner.during = meanwhile
        control.app_control(WHERE, "restart", print)
        control.app_control(WHERE, "stop", print)
    assert len(refused) == 1


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        (Scope.READ, {"probe", "status", "logs", "backups"}),
        (Scope.DEPLOY, {"probe", "status", "logs", "backups", "restart", "take"}),
        (
            Scope.ADMIN,
            {"probe", "status", "logs", "backups", "restart", "take", "exec", "restore"},
        ),
    ],
)
def test_looking_needs_read_changing_deploy_and_the_rest_admin(
    house: House, scope: Scope, allowed: set[str]
) -> None:
    where, done = WHERE, set[str]()
    with house.serving() as url:
        control = house.remote(url, scope)
        verbs: dict[str, Callable[[], object]] = {
            "probe": lambda: control.probe(where),
            "status": lambda: control.app_status(where),
            "logs": lambda: control.app_logs(where, {"lines": 1}, bool, False),
            "backups": lambda: control.backups(where),
            "restart": lambda: control.app_control(where, "restart", print),
            "take": lambda: control.take_backup(where),
            "exec": lambda: control.app_exec(where, ["true"], 5),
            "restore": lambda: control.restore_backup(where, ""),
        }
        for name, do in verbs.items():
            with suppress(Forbidden):
                do()
                done.add(name)
    assert done == allowed


def test_what_means_nothing_is_refused_before_a_host_is_asked(house: House) -> None:
    where = WHERE
    with house.serving() as url:
        control = house.remote(url)
        for do in (
            lambda: control.app_exec(where, [], 5),
            lambda: control.app_exec(where, ["x"] * 101, 5),
            lambda: control.app_exec(where, ["true"], 601),
            lambda: control.app_exec(where, ["true"], 0),
            lambda: control.app_logs(where, {"lines": 0}, bool, False),
            lambda: control.app_logs(where, {"next": "nonsense"}, bool, False),
            lambda: control.app_logs(where, {"next": "eyJhZnRlciI6W119"}, bool, False),
        ):
            with pytest.raises(UsageError):
                do()
    assert house.runner.works == []


def test_a_server_that_stops_asks_no_host_any_more(house: House) -> None:
    house.stop.drain.set()
    with house.serving() as url, pytest.raises(FraisierError) as caught:
        house.remote(url).app_control(WHERE, "restart", print)
    assert "the server is stopping" in str(caught.value)
    assert house.runner.works == []


def test_hosts_trust_stays_with_the_machine_it_is_typed_on() -> None:
    context = Context(server="https://fraisier.example.com")
    result = CliRunner().invoke(hosts, ["trust", "api", "production", "-y"], obj=context)
    assert isinstance(result.exception, UsageError)
    assert "not by a server" in str(result.exception)
