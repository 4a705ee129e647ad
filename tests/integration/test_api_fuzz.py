"""A server asked what nobody thought of: every operation of its OpenAPI document, generated.

What it reads from is the document, so that no operation is left out. Its targets cannot be reached.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.command import Fraisier
from support.databases import KINDS
from support.repository import Repository
from support.server import Server, free_port, serving

#: What is run after one another. What ends by itself has asked every operation: a limit of time
#: would leave out the last on a slow machine. The last of the long ones goes on until its time is
#: spent.
SHORT = {"examples,fuzzing": "--max-examples=1"}
LONG = {"examples,coverage,fuzzing": "--max-examples=3", "stateful": "--max-time=15"}
#: The same each time: what a change breaks is told to who made it, not to somebody else by luck.
SEED = 20261128
#: When a run is taken for one that hangs.
LIMIT_SECONDS = 900
#: Nothing is to be refused for its number.
SETTINGS = dict.fromkeys(
    (f"FRAISIER_RATE_LIMIT{each}" for each in ("", "_CHANGES", "_FAILURES")), "1000000"
)
TESTS = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Fraisier:
    """Return a project with one deployment that failed, as no host answers."""
    repository = Repository.create(tmp_path / "git", "api", tmp_path / "work")
    repository.commit()
    place = {
        "hosts": [{"hostname": "127.0.0.1", "port": free_port(), "username": "nobody"}],
        "app_path": "/opt/my_api",
        "service_name": "my-api",
        "service_user": "my-api",
        "exec": ["bin/start"],
        "health_check": {"type": "tcp", "port": 1},
    }
    production = {"provider": "bare_metal", "provider_config": place}
    fraise = {
        "type": "api",
        "git_provider": "git",
        "git_repo": str(repository.path),
        "environments": {"production": production},
    }
    (tmp_path / "fraises.yaml").write_text(yaml.safe_dump({"fraises": {"my_api": fraise}}))
    fraisier = Fraisier(tmp_path, environment=SETTINGS | {"FRAISIER_DATABASE_URL": database_url})
    assert fraisier("deploy", "my_api", "production").code == 5
    return fraisier


@pytest.mark.cpu_seconds(60, reason="schemathesis asks every operation with its own data")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_few_requests_to_each_operation_do_not_break_the_server(project: Fraisier) -> None:
    check(project, SHORT)


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_SECONDS)
@pytest.mark.cpu_seconds(600, reason="schemathesis asks every operation hundreds of times")
@pytest.mark.parametrize("database_kind", KINDS)
def test_no_request_breaks_the_server_or_what_it_says_of_itself(project: Fraisier) -> None:
    check(project, LONG)


def check(project: Fraisier, phases: dict[str, str]) -> None:
    """Fuzz a server: it lives, it told the truth of itself, and every operation was asked."""
    with serving(project, "--without-worker") as server:
        runs = {each: fuzz(server, each, bound) for each, bound in phases.items()}
        assert server.answers(), "it lives"
        said = server.log.read_text()
    assert "Traceback" not in said, said[-5000:]
    for each, done in runs.items():
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
        assert "No tests were run" not in done.stdout, f"{each}: {done.stdout}"
    first = next(iter(runs.values())).stdout
    asked = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", first)
    assert asked is not None, first
    assert asked[1] == asked[2] == asked[3], f"every operation is asked: {asked[0]}"


def fuzz(server: Server, phases: str, bound: str) -> subprocess.CompletedProcess[str]:
    """Run some phases with every check, as often or as long as `bound` says."""
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{server.url}/api/v1/openapi.json",
            f"--header=Authorization: Bearer {server.secret}",
            f"--phases={phases}",
            bound,
            f"--seed={SEED}",
            "--exclude-checks=positive_data_acceptance",  # support.fuzzing is finer
            "--request-timeout=60",
            "--suppress-health-check=all",
            "--generation-database=none",
            "--continue-on-failure",
            "--no-shrink",
            "--no-color",
        ],
        cwd=server.log.parent,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "support.fuzzing", "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
