"""An API on a new store and scripted hosts, with a token of each scope."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fraisier.api import Services, create_app
from fraisier.domain.deployment import Status
from fraisier.domain.token import Scope
from fraisier.engine.checkup import Checkups
from fraisier.engine.deployments import Deployments
from fraisier.engine.environment_health import EnvironmentHealth
from fraisier.engine.looks import Looks
from fraisier.engine.preview import Previews
from fraisier.engine.queue import Stop
from fraisier.engine.tokens import Tokens
from fraisier.store import SqlStore
from support.fakes import (
    Inventories,
    Repositories,
    ScriptedRunner,
    begin,
    make_catalogue,
    make_target,
)

WISH = {"fraise": "api", "environment": "production", "version": "v1"}


class Server:
    """The API in this process, asked through Flask's own client."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder = folder
        shutil.copy(template, folder / "records.db")
        self.store = SqlStore.open(f"sqlite:///{folder / 'records.db'}")
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
        self.app = create_app(self.services)
        self.client: FlaskClient = self.app.test_client()
        made = {scope: self.tokens.create(scope, scope, 1, "cli:me") for scope in Scope}
        self.secrets = {scope: secret for scope, (_, secret) in made.items()}
        self.ids = {scope: token.id for scope, (token, _) in made.items()}

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
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty database, migrated once for all tests."""
    path = tmp_path_factory.mktemp("template") / "records.db"
    SqlStore.open(f"sqlite:///{path}")._engine.dispose()
    return path


@pytest.fixture
def server(tmp_path: Path, template: Path) -> Server:
    """Return a server with nothing in its records."""
    return Server(tmp_path, template)
