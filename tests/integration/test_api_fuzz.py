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
from support.repository import Repository
from support.server import Server, free_port, serving

#: What is run after one another. The first ends by itself, with every operation asked: a limit of
#: time would leave out the last on a slow machine. The second goes on until its time is spent.
EACH = "examples,coverage,fuzzing"
PHASES = {EACH: "--max-examples=3", "stateful": "--max-time=15"}
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


def test_no_request_breaks_the_server_or_what_it_says_of_itself(project: Fraisier) -> None:
    with serving(project, "--without-worker") as server:
        runs = {phases: fuzz(server, phases, bound) for phases, bound in PHASES.items()}
        assert server.answers(), "it lives"
        said = server.log.read_text()
    assert "Traceback" not in said, said[-5000:]
    for phases, done in runs.items():
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
        assert "No tests were run" not in done.stdout, f"{phases}: {done.stdout}"
    asked = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", runs[EACH].stdout)
    assert asked is not None, runs[EACH].stdout
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
