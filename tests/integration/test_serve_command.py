"""`fraisier serve` as a process: it starts only when it can work, and ends when it cannot."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest
import requests

from support.command import Fraisier
from support.server import serving
from support.target import until

EMPTY = "fraises: {}\n"


@pytest.fixture
def project(tmp_path: Path) -> Fraisier:
    """Return the command in a folder with a configuration that has nothing in it."""
    (tmp_path / "fraises.yaml").write_text(EMPTY)
    return Fraisier(tmp_path)


def test_it_answers_with_a_token_and_stops_cleanly(project: Fraisier) -> None:
    with serving(project, executed=True) as server:
        assert server.send("GET", "/fraises").json()["total"] == 0
        assert requests.get(f"{server.url}/api/v1/fraises", timeout=5).status_code == 401
        assert requests.get(f"{server.url}/metrics", timeout=5).status_code == 200
        big = requests.post(f"{server.url}/api/v1/deployments", data=b"x" * (2 << 20), timeout=10)
        assert big.status_code == 401, "who is not known is not listened to"
        big = requests.post(
            f"{server.url}/api/v1/deployments", data=b"x" * (2 << 20), timeout=10,
            headers={"Authorization": f"Bearer {server.secret}"},
        )  # fmt: skip
        assert big.status_code == 413
        server.signal(signal.SIGINT)
        assert server.process.wait(60) == 0
    said = server.log.read_text()
    assert server.url in said
    assert "Traceback" not in said
    assert server.secret not in said


def test_a_git_host_may_send_as_much_as_the_setting_says_and_tokens_count_at_once(
    tmp_path: Path,
) -> None:
    """Two claims about a server that runs: what its settings say, and tokens made meanwhile."""
    listening = "git: {github: {webhook_secret: {env: HOOK}}}\n"
    (tmp_path / "fraises.yaml").write_text(EMPTY + listening)
    settings = {"FRAISIER_WEBHOOK_MAX_BYTES": "10MiB", "HOOK": "a-secret-of-the-tests-that-is-long"}
    project = Fraisier(tmp_path, environment=settings)
    with serving(project) as server:
        for mebibytes, status in ((9, 401), (11, 413)):
            answer = requests.post(
                f"{server.url}/api/v1/webhooks/github", data=b" " * (mebibytes << 20), timeout=30,
                headers={"Content-Type": "application/json"},
            )  # fmt: skip
            assert answer.status_code == status, "read, and not signed; or too large to be read"
            assert answer.headers["Content-Type"] == "application/problem+json"
        made = project("--json", "token", "create", "late", "--scope", "read").json
        server.secret = made["token"]
        assert server.send("GET", "/fraises").status_code == 200
        assert project("token", "revoke", made["id"]).code == 0
        assert server.send("GET", "/fraises").status_code == 401


@pytest.mark.parametrize("bind", ["8000", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x"])
def test_an_address_that_is_none_is_refused(project: Fraisier, bind: str) -> None:
    result = project("serve", "--bind", bind)
    assert result.code == 2
    assert "127.0.0.1:8000" in result.err


def test_an_address_that_is_taken_is_refused(project: Fraisier) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = project("serve", FRAISIER_BIND=f"127.0.0.1:{taken.getsockname()[1]}")
    assert result.code == 1
    assert "in use" in result.err
    assert "--bind" in result.err
    assert "Traceback" not in result.err


def test_a_broken_configuration_refuses_to_start(project: Fraisier) -> None:
    (project.folder / "fraises.yaml").write_text("fraises: {api: {tipe: api}}\n")
    result = project("serve", "--bind", "127.0.0.1:1")
    assert result.code == 1
    assert 'did you mean "type"?' in result.err


@pytest.mark.parametrize(
    "options", [("--concurrency", "0"), ("--concurrency", "x"), ("--drain", "-1")]
)
def test_numbers_that_mean_nothing_are_refused(project: Fraisier, options: tuple[str, str]) -> None:
    assert project("serve", *options).code == 2


def test_without_a_worker_requests_wait_for_another_process(project: Fraisier) -> None:
    with serving(project, "--without-worker") as server:
        health = requests.get(f"{server.url}/health", timeout=5).json()
        assert "another process" in health["parts"]["worker"]["reason"]
    until(lambda: server.process.poll() == 0, 60)
