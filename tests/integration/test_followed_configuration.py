"""A server and a worker take what is written to fraises.yaml, without a restart (I12, S14)."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import requests

from support.command import Fraisier
from support.many import working
from support.repository import Repository
from support.server import Server, free_port, serving
from support.target import until

FRAISE = """
  {name}:
    git_repo: {repository}
    git_provider: git
    environments:
      production:
        provider: bare_metal
        strategy_config: {{progress_deadline: 15}}
        provider_config:
          hosts: [{{hostname: 127.0.0.1, port: {port}, username: nobody}}]
          service_name: {name}
          app_path: /opt/{name}
          exec: [bin/start]
          health_check: {{type: systemd}}
"""
SECONDS = 60


class Project:
    """A folder with a configuration, to be changed while processes follow it."""

    def __init__(self, folder: Path) -> None:
        self.repository = Repository.create(folder / "git", "app", folder / "work")
        self.repository.commit()
        self.fraisier = Fraisier(folder)
        self.port = free_port()
        self.write("one")

    def write(self, *names: str, wrong: str = "") -> None:
        """Write a file with these fraises."""
        texts = [
            FRAISE.format(name=name, repository=self.repository.path, port=self.port)
            for name in names
        ]
        (self.fraisier.folder / "fraises.yaml").write_text(f"fraises:{''.join(texts)}{wrong}")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a folder with one fraise, whose host is not there."""
    return Project(tmp_path)


def configuration(server: Server) -> dict[str, str]:
    """Return what the server says of its configuration, to those with a token."""
    parts = server.send("GET", "/health/ready").json()["parts"]
    found: dict[str, str] = parts["configuration"]
    return found


def held(server: Server) -> list[str]:
    """Return the digests of the workers."""
    return [each["configuration"] for each in server.send("GET", "/workers").json()["workers"]]


def wanted(server: Server, fraise: str) -> requests.Response:
    """Ask for a deployment."""
    return server.send("POST", "/deployments", {"fraise": fraise, "environment": "production"})


def test_a_new_fraise_is_deployed_without_a_restart_and_a_bad_file_stops_nothing(
    project: Project,
) -> None:
    fraisier = project.fraisier
    with serving(fraisier, "--without-worker") as server, working(fraisier, "mine") as worker:
        until(lambda: held(server) == [configuration(server)["digest"]], SECONDS)
        first = configuration(server)["digest"]
        assert wanted(server, "two").status_code == 404

        project.write("one", "two")
        until(lambda: wanted(server, "two").status_code == 202, SECONDS)
        until(lambda: held(server) == [configuration(server)["digest"]], SECONDS)
        second = configuration(server)["digest"]
        assert second != first

        project.write("one", "two", "three", wrong="\n  four: {git_repo: 5}\n")
        server.signal(signal.SIGHUP)
        until(lambda: configuration(server)["status"] == "degraded", SECONDS)
        assert configuration(server)["digest"] == second
        assert "four" in configuration(server)["reason"]
        open_ = requests.get(f"{server.url}/health/ready", timeout=30)
        assert (open_.status_code, open_.json()["parts"]["configuration"]) == (
            200,
            {"status": "degraded"},
        )
        until(lambda: "it cannot be used" in worker.log.read_text(), SECONDS)
        ended = server.ended(wanted(server, "two").json()["id"])
        assert ended["status"] == "failed"

        project.write("one", "two", "three")
        until(lambda: configuration(server)["status"] == "ok", SECONDS)
        assert wanted(server, "three").status_code == 202
        until(lambda: held(server) == [configuration(server)["digest"]], SECONDS)
        assert server.stop() == 0
        assert worker.stop() == 0
    for log in (server.log, worker.log):
        assert log.read_text().count("it cannot be used") == 1
        assert "Traceback" not in log.read_text()


def test_a_receiver_that_is_added_is_sent_what_happens_then(project: Project) -> None:
    hook = "\nwebhooks: [{name: new, url: 'http://127.0.0.1:9/hook', secret: {env: NOT_SET}}]\n"
    with serving(project.fraisier) as server:
        assert server.send("GET", "/webhook-endpoints").json()["endpoints"] == []
        project.write("one", wrong=hook)
        server.signal(signal.SIGHUP)
        until(lambda: server.send("GET", "/webhook-endpoints").json()["endpoints"], SECONDS)
        server.ended(wanted(server, "one").json()["id"])
        path = "/webhook-endpoints/deliveries"
        until(lambda: server.send("GET", path).json()["deliveries"], SECONDS)
        until(lambda: server.send("GET", path).json()["deliveries"][-1]["attempts"], SECONDS)
    assert "Traceback" not in server.log.read_text()
