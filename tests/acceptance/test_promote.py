"""From staging to production: exactly what succeeded there, and nothing that did not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from support.server import serving
from support.target import Target, until

TO = ("promote", "my_api", "staging", "production")


@pytest.fixture
def staged(make_target: Callable[[int], Target]) -> Target:
    """Return a target with a staging before it, each on a host of its own."""
    target = make_target(2)
    file = target.folder / "fraises.yaml"
    document = yaml.safe_load(file.read_text())
    environments = document["fraises"]["my_api"]["environments"]
    production = environments["production"]
    first, second = production["provider_config"]["hosts"]
    environments["staging"] = _on(production, second)
    environments["production"] = {**_on(production, first), "after": "staging"}
    file.write_text(yaml.safe_dump(document))
    return target


def _on(environment: dict[str, Any], host: dict[str, Any]) -> dict[str, Any]:
    return {
        **environment,
        "provider_config": {**environment["provider_config"], "hosts": [host]},
    }


def test_what_succeeded_in_staging_goes_to_production_and_nothing_else(staged: Target) -> None:
    production, staging = staged.hosts
    good = staged.repository.commit("good")
    nothing = staged.fraisier(*TO)
    assert nothing.code == 8, nothing.said
    assert "nothing was deployed to my_api staging" in nothing.said
    early = staged.deploy()
    assert early.code == 8, early.said
    assert "has not succeeded in my_api staging" in early.said
    assert staged.served(production) is None

    assert staged.fraisier("deploy", "my_api", "staging").code == 0
    staged.repository.commit("good", {"note": "newer than what was tested"})
    done = staged.fraisier(*TO, "--idempotency-key", "one", "--reason", "tested")
    assert done.code == 0, done.said
    assert staged.served(production) == staged.served(staging) == good
    last = staged.last()
    history = staged.fraisier("--json", "history", "my_api", "staging").json["deployments"]
    assert last["options"]["promoted_from"] == history[0]["id"]
    again = staged.fraisier("--json", *TO, "--idempotency-key", "one", "--reason", "tested")
    assert again.json["id"] == last["id"]


@pytest.mark.slow
def test_a_version_that_passes_its_tests_comes_to_production_by_itself(staged: Target) -> None:
    """What succeeded while no server was there is promoted by the next one, and once."""
    production, staging = staged.hosts
    file = staged.folder / "fraises.yaml"
    document = yaml.safe_load(file.read_text())
    environments = document["fraises"]["my_api"]["environments"]
    test = "pwd -P > /tmp/tested-in; test ! -e /tmp/tests-fail"
    environments["staging"]["tests"] = [{"name": "end to end", "command": test}]
    environments["production"]["promote"] = "automatic"
    file.write_text(yaml.safe_dump(document))

    good = staged.repository.commit("good")
    done = staged.fraisier("deploy", "my_api", "staging")
    assert done.code == 0, done.said
    assert staged.inside(staging, "cat /tmp/tested-in").endswith(staged.current(staging))
    assert staged.served(production) is None, "a command alone promotes nothing"
    assert "comes by itself" in staged.fraisier("status", "my_api", "production").said
    with serving(staged.fraisier) as server:
        until(lambda: staged.served(production) == good, 120)
        until(lambda: _asked(staged)[0]["status"] == "success", 60)
        assert len(_asked(staged)) == 1
        assert _asked(staged)[0]["triggered_by"].startswith("promotion:dep_")

        staged.inside(staging, "touch /tmp/tests-fail")
        bad = staged.repository.commit("good", {"note": "its tests fail"})
        ended = server.ended(server.deploy("staging"), 120)
        assert ended["status"] == "success", ended["reason"]
        assert "the test `end to end` ended with 1" in ended["reason"]
        shown = staged.fraisier("--json", "status", "my_api", "production").json["targets"][0]
        assert "end to end" in shown["promotion"]["blocked"]
        refused = staged.fraisier(*TO)
        assert refused.code == 8, refused.said
        staged.inside(staging, "rm /tmp/tests-fail")
        assert server.ended(server.deploy("staging"), 120)["status"] == "success"
        until(lambda: staged.served(production) == bad, 120)
    assert len(_asked(staged)) == 2


def _asked(target: Target) -> list[dict[str, Any]]:
    """Return the deployments of production, newest first."""
    history = target.fraisier("--json", "history", "my_api", "production")
    return list(history.json["deployments"])
