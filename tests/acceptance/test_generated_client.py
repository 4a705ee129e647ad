"""A client that is generated from the OpenAPI document, and nothing else, does a day's work."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests

from support.server import Server, serving
from support.target import Target, until

NAME = "generated_fraisier_client"
#: A build that goes on for as long as there is a file on its host.
BUILD = "while [ -e /tmp/hold ]; do sleep 0.1; done"


class Client:
    """The generated package; `api` finds an operation by its tag and its name."""

    def __init__(self, server: Server) -> None:
        self.models = importlib.import_module(f"{NAME}.models")
        made: ModuleType = importlib.import_module(NAME)
        self._client = made.AuthenticatedClient(
            base_url=server.url, token=server.secret, raise_on_unexpected_status=True
        )

    def __enter__(self) -> Client:
        self._client.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._client.__exit__(*error)

    def api(self, tag: str, name: str, status: int, *path: str, **arguments: Any) -> Any:
        """Call an operation and return what it answered with this status, parsed."""
        operation = importlib.import_module(f"{NAME}.api.{tag}.{name}")
        answer = operation.sync_detailed(*path, client=self._client, **arguments)
        assert answer.status_code == HTTPStatus(status), answer.content
        return answer.parsed

    def deploy(self, key: str) -> str:
        """Request a deployment of my_api to production."""
        wish = self.models.DeployRequest(fraise="my_api", environment="production")
        found = self.api("deployments", "create_deployment", 202, body=wish, idempotency_key=key)
        return str(found.id)

    def ended(self, deployment: str) -> Any:
        """Follow a deployment by its events to its end, and return it."""
        seen: list[str] = []

        def over() -> bool:
            page = self.api(
                "deployments", "list_deployment_events", 200, deployment, after=len(seen)
            )
            seen.extend(each.type_ for each in page.events)
            return "deployment.completed" in seen

        until(over, 90)
        assert seen[:2] == ["deployment.queued", "deployment.started"]
        return self.api("deployments", "get_deployment", 200, deployment)


def generated(server: Server, folder: Path) -> Client:
    """Generate the package from what the server says of itself, and return a client of it."""
    document = folder / "openapi.json"
    document.write_bytes(requests.get(f"{server.url}/api/v1/openapi.json", timeout=10).content)
    (folder / "generate.yml").write_text("post_hooks: []\n")
    tool = Path(sys.executable).with_name("openapi-python-client")
    options = ("--meta", "none", "--config", "generate.yml", "--fail-on-warning")
    done = subprocess.run(
        [tool, "generate", "--path", document.name, "--output-path", NAME, *options],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Client(server)


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder that is imported from while the test runs."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [each for each in sys.modules if each.split(".")[0] == NAME]:
        del sys.modules[name]


@pytest.mark.cpu_seconds(40, reason="it generates a client, then follows four deployments with it")
def test_it_deploys_follows_goes_back_and_cancels(target: Target, importable: Path) -> None:
    host, first = target.hosts[0], target.repository.commit("good")
    target.configure(build=[BUILD])
    with serving(target.fraisier) as server, generated(server, importable) as client:
        deployed = client.deploy("first")
        assert client.ended(deployed).status.value == "success"
        assert client.deploy("first") == deployed, "the same key is the same deployment"
        assert target.served(host) == first

        second = target.repository.commit("good", {"note": "second"})
        upgraded = client.deploy("second")
        assert client.ended(upgraded).version == second
        wish = client.models.RollbackRequest(reason="for the test")
        back = client.api("deployments", "rollback_deployment", 202, upgraded, body=wish)
        assert client.ended(back.id).status.value == "success"
        assert target.served(host) == first
        page = client.api("deployments", "list_deployments", 200, fraise="my_api", limit=2)
        assert [each.id for each in page.deployments] == [back.id, upgraded]
        rest = client.api("deployments", "list_deployments", 200, limit=2, cursor=page.next_cursor)
        assert [each.id for each in rest.deployments] == [deployed]
        assert rest.next_cursor is None

        target.repository.commit("good", {"note": "third"})
        target.inside(host, "touch /tmp/hold")
        slow = client.deploy("third")
        until(lambda: server.show(slow)["status"] == "in_progress", 60)
        wish = client.models.CancelRequest()
        client.api("deployments", "cancel_deployment", 202, slow, body=wish)
        assert client.ended(slow).status.value == "cancelled"
        late = client.api("deployments", "cancel_deployment", 409, slow, body=wish)
        assert (late.code, late.status) == ("refused", 409)
        assert target.served(host) == first
        target.inside(host, "rm /tmp/hold")
