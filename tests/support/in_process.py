"""Fraisier's commands in this process: alone, or of a server in a thread, with scripted hosts.

Everything is real but Ansible and the hosts: the command line, the wiring, the configuration, git,
the database, the queue and HTTP.
"""

from __future__ import annotations

import atexit
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from werkzeug.serving import WSGIRequestHandler, make_server

import fraisier.cli
from fraisier.api import create_app
from fraisier.domain.event import Fact
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Work
from fraisier.domain.worker import NewWorker
from fraisier.engine.queue import Stop
from fraisier.wiring import Application
from support.command import Result
from support.fakes import ScriptedRunner
from support.records import migrated
from support.repository import Repository
from support.target import until

NAMES = ("my_api", "production")
HOST = "web-1"


class ScriptedHosts(ScriptedRunner):
    """Hosts that also say something while they build, and are only looked at in check mode."""

    _held: tuple[threading.Event, Callable[[Work], None]] | None = None

    def hold(self, then: Callable[[Work], None] = lambda _work: None) -> threading.Event:
        """Let the next step do `then`, and go on until it is cancelled.

        Returns what is set once the step has begun.
        """
        begun = threading.Event()
        self._held = begun, then
        return begun

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Do the work on every host at once; in check mode change nothing."""
        if work.request.get("check"):
            return Outcome(
                "done", {host.name: self._foreseen(work, host.name) for host in work.hosts}
            )
        if self._held is not None:
            (begun, then), self._held = self._held, None
            begun.set()
            then(work)
            until(cancelled, 120)
        if work.verb == "deploy":
            line = {"step": "build", "text": "building"}
            on_facts([Fact("log.line", host.name, line) for host in work.hosts])
        return super().run(work, on_facts, cancelled)

    def _foreseen(self, work: Work, name: str) -> HostOutcome:
        serving = self.serving.get(name)
        previous = None if serving is None else {"id": serving, "version": serving}
        changed = serving != work.request["version"]
        return HostOutcome(name, "ok", {"previous": previous, "changed": changed}, None)


@dataclass
class Project:
    """A folder with a configuration, its repository, and the hosts that it names."""

    folder: Path
    repository: Repository
    hosts: ScriptedHosts = field(default_factory=ScriptedHosts)

    @classmethod
    def create(cls, folder: Path, repository: Repository, **production: Any) -> Project:
        """Write a configuration; `production` replaces parts of the environment."""
        folder.mkdir()
        provider = {
            "hosts": [{"hostname": HOST, "username": "deploy"}],
            "service_name": "my-api",
            "app_path": "/opt/my-api",
            "exec": ["bin/start"],
            "health_check": {"type": "systemd"},
        }
        environment = {"provider": "bare_metal", "provider_config": provider, **production}
        fraise = {
            "type": "api",
            "git_provider": "git",
            "git_repo": str(repository.path),
            "environments": {"production": environment},
        }
        text = yaml.safe_dump({"fraises": {"my_api": fraise}})
        (folder / "fraises.yaml").write_text(text)
        (folder / "fraisier.db").write_bytes(migrated())
        return cls(folder, repository)

    @property
    def config(self) -> str:
        """Return the path of the configuration."""
        return str(self.folder / "fraises.yaml")

    @property
    def serves(self) -> str | None:
        """Return the version that the host runs."""
        return self.hosts.serving.get(HOST)


@dataclass(frozen=True)
class Commands:
    """`fraisier` for a project in one of the two ways. `waiting`: what makes a command stay."""

    project: Project
    environment: Mapping[str, str] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()

    def __call__(self, *words: str) -> Result:
        """Run a command as `python -m fraisier` does, with nothing of it left afterwards."""
        first = () if self.environment else ("--config", self.project.config)
        out, err, made = io.StringIO(), io.StringIO(), list[Application]()
        with (
            mock.patch.dict(os.environ, self.environment),
            mock.patch.object(sys, "argv", ["fraisier", *first, *words]),
            scripted(self.project.hosts, made),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                fraisier.cli.main()
                code: object = 0
            except SystemExit as end:
                code = end.code or 0
            finally:
                for application in made:
                    close(application)
        assert isinstance(code, int), code
        return Result(code, out.getvalue(), err.getvalue())

    def json(self, *words: str, code: int = 0) -> Any:
        """Run a command that must end with a code, and return what it printed as JSON."""
        done = self("--json", *words)
        assert done.code == code, done.said
        return done.json

    def deploy(self, *options: str) -> Result:
        """Deploy, and stay to the end."""
        return self("deploy", *NAMES, *self.waiting, *options)

    def with_token(self, token: str) -> Commands:
        """Return the same way with another token."""
        environment = {**self.environment, "FRAISIER_TOKEN": token}
        return Commands(self.project, environment, self.waiting)


@contextmanager
def scripted(hosts: ScriptedHosts, made: list[Application]) -> Iterator[None]:
    """Have applications that are made meanwhile work on these hosts, and note them."""
    from_environment = Application.from_environment

    def make(config_path: str | None = None) -> Application:
        made.append(from_environment(config_path))
        return made[-1]

    with (
        mock.patch.object(Application, "from_environment", make),
        mock.patch.object(Application, "new_runner", return_value=hosts),
    ):
        yield


def close(application: Application) -> None:
    """Do what the end of its process would."""
    if "member" in vars(application):
        application.member.leave()
        atexit.unregister(application.member.leave)
    if "store" in vars(application):
        application.store._engine.dispose()


def alone(project: Project) -> Commands:
    """Return the commands that do the work themselves."""
    return Commands(project)


class Quiet(WSGIRequestHandler):
    """Says nothing of its requests."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Be quiet."""


@contextmanager
def behind_a_server(project: Project) -> Iterator[Commands]:
    """Serve a project, with a worker, and return commands that ask that server."""
    application = Application.from_environment(project.config)
    vars(application)["new_runner"] = lambda *_, **__: project.hosts
    stop = Stop()
    worker = application.queue_worker(NewWorker("server", "serve", {}, 4), 60)
    services = application.services(worker, stop)
    server = make_server("127.0.0.1", 0, create_app(services), threaded=True, request_handler=Quiet)
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.05,)),
        threading.Thread(target=worker.serve, args=(stop,)),
    ]
    for thread in threads:
        thread.start()
    try:
        token = alone(project).json("token", "create", "tests", "--scope", "admin")["token"]
        url = f"http://127.0.0.1:{server.server_port}"
        settings = {"FRAISIER_SERVER": url, "FRAISIER_TOKEN": token}
        yield Commands(project, settings, ("--wait",))
    finally:
        stop.drain.set()
        threads[1].join()
        services.following.join(5)
        server.shutdown()
        threads[0].join()
        server.server_close()
        close(application)
