"""The configuration that a server follows, as its requests see it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fraisier.domain.errors import ConfigurationError, Problem
from fraisier.domain.token import Scope
from fraisier.domain.worker import NewWorker
from fraisier.engine.current import CurrentCatalogue
from fraisier.engine.deployments import Deployments
from fraisier.engine.reloading import Reloading
from support.fakes import Inventories, Repositories, make_catalogue, make_target

WRONG = Problem("/etc/fraisier/fraises.yaml", 3, "fraises.api", "unknown key")


class Follows:
    """A server whose catalogue is changed by hand."""

    def __init__(self, server) -> None:
        self.server = server
        self.files = replace(make_catalogue(make_target()), digest="one")
        self.current = CurrentCatalogue(self.files)
        self.reloading = Reloading(self.current, self._load, lambda: 0)
        deployments = Deployments(self.current, server.store, Repositories(), Inventories())
        parts = {"catalogue": self.current, "configuration": self.reloading}
        server.serve(replace(server.services, deployments=deployments, **parts))

    def _load(self):
        if self.files is None:
            raise ConfigurationError([WRONG])
        return self.files

    def write(self, files) -> None:
        """Let the files be others; None: they cannot be used."""
        self.files = files
        self.reloading.read()

    def part(self, scope: Scope | None = Scope.READ):
        """Return what readiness says of the configuration."""
        answer = self.server.ask("GET", "/health/ready", scope)
        assert answer.status_code == 200
        return answer.get_json()["parts"]["configuration"]

    def metric(self) -> str:
        """Return the figure."""
        lines = self.server.ask("GET", "/metrics").text.splitlines()
        (found,) = [line for line in lines if line.startswith("fraisier_configuration_current")]
        return found


@pytest.fixture
def follows(server) -> Follows:
    """Return such a server."""
    return Follows(server)


def test_what_is_configured_now_is_shown_and_can_be_deployed(follows: Follows) -> None:
    follows.write(replace(make_catalogue(make_target(fraise="site")), digest="two"))
    names = [each["name"] for each in follows.server.get("/fraises").get_json()["fraises"]]
    assert names == ["site"]
    assert follows.server.deploy(fraise="site")["fraise"] == "site"


def test_files_that_cannot_be_used_leave_it_ready_and_say_why_to_those_with_a_token(
    follows: Follows,
) -> None:
    assert follows.part() == {"status": "ok", "digest": "one"}
    follows.write(None)
    assert follows.part(None) == {"status": "degraded"}
    assert follows.part()["status"] == "degraded"
    assert "unknown key" in follows.part()["reason"]
    assert follows.metric().endswith(" 0.0")
    assert follows.server.deploy()["fraise"] == "api"
    follows.write(replace(make_catalogue(make_target()), digest="two"))
    assert follows.part() == {"status": "ok", "digest": "two"}
    assert follows.metric().endswith(" 1.0")


def test_a_token_that_is_none_is_a_stranger(follows: Follows) -> None:
    follows.write(None)
    wrong = {"headers": {"Authorization": "Bearer fra_wrong"}}
    answer = follows.server.ask("GET", "/health/ready", None, **wrong)
    assert answer.status_code == 200
    assert answer.get_json()["parts"]["configuration"] == {"status": "degraded"}


def test_a_request_sees_one_configuration_from_its_beginning_to_its_end(
    follows: Follows, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def changed() -> None:
        """Let the configuration change in the middle of a request."""
        seen.append(set(follows.current.fraises))
        follows.write(replace(make_catalogue(make_target(fraise="site")), digest="two"))

    before = follows.server.app.before_request_funcs
    monkeypatch.setitem(before, None, [*before[None], changed])
    names = [each["name"] for each in follows.server.get("/fraises").get_json()["fraises"]]
    assert (seen, names) == ([{"api"}], ["api"])
    assert set(follows.current.fraises) == {"site"}


def test_workers_tell_the_configuration_that_they_hold(follows: Follows) -> None:
    joined = follows.server.store.join(NewWorker("one", "worker", {}, 1, "one"), 30)
    (worker,) = follows.server.get("/workers").get_json()["workers"]
    assert worker["configuration"] == "one"
    assert follows.server.store.beat(joined, 30, "two")
    (worker,) = follows.server.get("/workers").get_json()["workers"]
    assert worker["configuration"] == "two"
