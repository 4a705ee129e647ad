"""An API on a new store and scripted hosts, with a token of each scope."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fraisier.api import Services
from fraisier.domain.deployment import Status
from fraisier.domain.token import Scope, Token
from fraisier.engine.checkup import Checkups
from fraisier.engine.deployments import Deployments
from fraisier.engine.environment_health import EnvironmentHealth
from fraisier.engine.looks import Looks
from fraisier.engine.preview import Previews
from fraisier.engine.queue import Stop
from fraisier.engine.tokens import Tokens
from support.applications import Applications
from support.fakes import (
    Inventories,
    Repositories,
    ScriptedRunner,
    begin,
    make_catalogue,
    make_target,
)
from support.records import open_records

WISH = {"fraise": "api", "environment": "production", "version": "v1"}


@dataclass(frozen=True)
class Template:
    """A migrated database with a token of each scope: its file, the tokens and their secrets."""

    path: Path
    tokens: dict[Scope, tuple[Token, str]]


class Server:
    """The API in this process, asked through Flask's own client."""

    def __init__(self, folder: Path, template: Template, applications: Applications) -> None:
        self.folder, self.applications = folder, applications
        shutil.copy(template.path, folder / "records.db")
        self.store = open_records(folder / "records.db")
        self.tokens = Tokens(self.store)
        self.stop = Stop()
        catalogue = make_catalogue(make_target())
        deployments = Deployments(catalogue, self.store, Repositories(), Inventories())
        previews = Previews(catalogue, self.store, deployments, ScriptedRunner)
        self.runner = ScriptedRunner()
        parts = (catalogue, self.store, deployments.target, lambda: self.runner)
        health = EnvironmentHealth(
            Checkups(*parts).look, Looks(lambda: catalogue, self.store).health
        )
        self.services = Services(
            catalogue, self.store, self.tokens, deployments, previews, stop=self.stop, health=health
        )
        self.application = applications.lend(self.services)
        self.app = self.application.app
        self.client: FlaskClient = self.app.test_client()
        self.secrets = {scope: secret for scope, (_, secret) in template.tokens.items()}
        self.ids = {scope: token.id for scope, (token, _) in template.tokens.items()}

    def serve(self, services: Services) -> FlaskClient:
        """Answer with other services from now on; return the client."""
        self.services = services
        self.application.serve(services)
        return self.client

    def another(self, services: Services) -> FlaskClient:
        """Return a client of another application beside this one, as of another process."""
        return self.applications.lend(services).app.test_client()

    def ask(
        self, method: str, path: str, scope: Scope | None = Scope.ADMIN, **more: Any
    ) -> TestResponse:
        """Send a request with the token of a scope."""
        headers = {**more.pop("headers", {})}
        if scope is not None:
            headers["Authorization"] = f"Bearer {self.secrets[scope]}"
        return self.client.open(path, method=method, headers=headers, **more)

    def get(self, path: str, **more: Any) -> TestResponse:
        """Read below /api/v1."""
        return self.ask("GET", f"/api/v1{path}", **more)

    def post(self, path: str, body: Any = None, **more: Any) -> TestResponse:
        """Send a JSON body below /api/v1."""
        return self.ask("POST", f"/api/v1{path}", json=body, **more)

    def deploy(self, **wish: Any) -> dict[str, Any]:
        """Request a deployment and return it."""
        answer = self.post("/deployments", {**WISH, **wish})
        assert answer.status_code == 202, answer.text
        return answer.get_json()

    def end(self, deployment_id: str, status: Status = Status.SUCCESS) -> None:
        """Bring a deployment to an end."""
        self.store.finish(begin(self.store, deployment_id), status, "as the test says")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Return an empty database, migrated once for all tests."""
    path = tmp_path_factory.mktemp("template") / "records.db"
    store = open_records(path)
    tokens = {scope: Tokens(store).create(scope, scope, 1, "cli:me") for scope in Scope}
    store._engine.dispose()
    assert not path.with_name("records.db-wal").exists(), "the file holds everything"
    return Template(path, tokens)


@pytest.fixture(scope="session")
def all_applications() -> Applications:
    """Return the applications that the tests take turns with."""
    return Applications()


@pytest.fixture
def applications(all_applications: Applications) -> Iterator[Applications]:
    """Return those that no test uses, which are free again after this one."""
    yield all_applications
    all_applications.take_back()


@pytest.fixture
def server(tmp_path: Path, template: Template, applications: Applications) -> Server:
    """Return a server with nothing in its records but its tokens."""
    return Server(tmp_path, template, applications)
