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

#: Seconds for which one database is asked, and examples of each operation in each phase.
#: What is run after one another, and for how many seconds: the first would leave no time else.
PHASES = {"examples,coverage,fuzzing": 35, "stateful": 15}
EXAMPLES = 8
LIMIT_SECONDS = 300
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
        runs = {phases: fuzz(server, phases, seconds) for phases, seconds in PHASES.items()}
        assert server.answers(), "it lives"
        said = server.log.read_text()
    assert "Traceback" not in said, said[-5000:]
    for phases, done in runs.items():
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
        asked = re.search(r"Operations: +(\d+) selected / (\d+) total", done.stdout)
        assert asked is not None, done.stdout
        assert asked[1] == asked[2], "none is left out"
        assert "No tests were run" not in done.stdout, f"{phases}: {done.stdout}"


def fuzz(server: Server, phases: str, seconds: int) -> subprocess.CompletedProcess[str]:
    """Run some phases with every check, as long and as often as is bounded above."""
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{server.url}/api/v1/openapi.json",
            f"--header=Authorization: Bearer {server.secret}",
            f"--phases={phases}",
            f"--max-time={seconds}",
            f"--max-examples={EXAMPLES}",
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
