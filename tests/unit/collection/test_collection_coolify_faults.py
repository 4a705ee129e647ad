"""Faults between the modules and Coolify: lost answers, rate limits, tokens, TLS."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    coolify_follow,
    coolify_resource,
    coolify_service,
    coolify_site,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.coolify_options import COOLIFY_SERVICE
from support.coolify import TOKEN, Coolify, Fault, coolify
from support.coolify_machine import Machine, machine
from support.coolify_target import SECRET
from support.server import free_port

A, B = "a" * 40, "b" * 40
START = "POST /api/v1/applications/app-git/start"
FOLLOW = "GET /api/v1/deployments/dep"


@pytest.fixture
def server() -> Iterator[Coolify]:
    """Return a Coolify of its own."""
    with coolify() as found:
        yield found


@pytest.fixture
def git(server: Coolify, tmp_path: Path) -> Iterator[Machine]:
    """Return a machine that deploys an application which Coolify builds from git."""
    with machine(server, server.add_git(), tmp_path / "state") as found:
        yield found


# --- faults that pass ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lost", "truncated"])
def test_a_deployment_whose_answer_is_lost_is_found_and_not_requested_twice(
    git: Machine, kind: str
) -> None:
    git.good(A)
    git.server.faults.append(Fault(START, kind))
    answer = git.good(B)
    assert git.begun() == 2
    assert git.server.asked(START) == 2
    assert git.app.commit_that_runs == B
    assert answer["release"]["version"] == B
    assert answer["release"]["uuid"] == git.app.deployments[1]["deployment_uuid"]


def test_a_deployment_that_does_not_appear_is_not_requested_again(git: Machine) -> None:
    git.server.faults.append(Fault(START, "reset", times=99))
    answer = git.deploy(A)
    assert answer["code"] == "trigger_lost", answer
    assert git.begun() == 0
    assert [fault.times for fault in git.server.faults] == [98]
    git.server.faults.clear()
    git.go_back(answer)
    git.good(B)
    assert git.begun() == 1


def test_a_deployment_that_appears_too_late_is_cancelled_by_the_next_run(
    git: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    git.app.ends = "never"
    git.server.faults.append(Fault(START, "lost"))
    with monkeypatch.context() as patch:
        patch.setattr(coolify_follow, "_search", lambda *_arguments: None)
        answer = git.deploy(A)
    assert answer["code"] == "trigger_lost", answer
    assert git.app.deployments[0]["status"] == "in_progress"
    git.go_back(answer)
    assert git.app.deployments[0]["status"] == "cancelled-by-user"


def test_a_rate_limit_is_kept_to(git: Machine) -> None:
    git.server.faults.append(Fault(START, "status", 429, times=2, retry_after=7))
    git.server.faults.append(Fault(FOLLOW, "status", 429, retry_after=9))
    git.good(A)
    assert git.clock.pauses.count(7) == 2
    assert git.clock.pauses.count(9) == 1
    assert git.begun() == 1


@pytest.mark.parametrize("kind", ["reset", "status", "truncated"])
def test_reads_that_fail_are_repeated(git: Machine, kind: str) -> None:
    git.server.faults.append(Fault("GET ", kind, times=1))
    git.server.faults.append(Fault(FOLLOW, kind, times=2))
    git.good(A)
    assert all(fault.times == 0 for fault in git.server.faults)
    assert git.begun() == 1


def test_a_request_takes_no_longer_than_its_time_limit(git: Machine) -> None:
    git.options["request_timeout"] = 2
    hang = Fault(FOLLOW, "hang", seconds=600)
    git.server.faults.append(hang)
    git.good(A)
    assert hang.times == 0
    assert git.app.commit_that_runs == A


# --- a full queue --------------------------------------------------------------------------


def test_a_full_queue_is_tried_again_and_nothing_is_deployed_twice(git: Machine) -> None:
    waiting = git.server.fill_queue()

    def begin_one(pauses: int) -> None:
        if pauses == 3:
            waiting[0]["status"] = "finished"

    git.clock.at_pause = begin_one
    git.good(A)
    assert git.app.commit_that_runs == A
    assert git.begun() == 1
    assert git.server.asked(START) == 4


@pytest.mark.parametrize("first", [True, False])
def test_a_queue_that_stays_full_changes_nothing(git: Machine, first: bool) -> None:
    if not first:
        git.good(A)
        git.options["env_vars"], git.secrets = {"LOG_LEVEL": "debug", "NEW": "x"}, {}
    settings, variables, begun = dict(git.app.data), git.values(), git.begun()
    git.server.fill_queue()
    answer = git.deploy(B)
    assert answer["code"] == "queue_full", answer
    assert "nothing was changed" in answer["msg"]
    assert not answer["changed"]
    assert not answer["switched"]
    assert answer["previous"] is None if first else answer["previous"]["version"] == A
    assert sum(git.clock.pauses) <= 60
    assert git.begun() == begun
    assert (dict(git.app.data), git.values()) == (settings, variables)
    git.server.apps["app-other"].deployments.clear()
    git.good(B)
    assert git.app.commit_that_runs == B


def test_what_cannot_be_put_back_is_not_said_to_be_unchanged(git: Machine) -> None:
    git.server.tokens[TOKEN].remove("read:sensitive")
    git.server.add_variable(git.app, "LOG_LEVEL", "set-by-hand")
    git.server.fill_queue()
    answer = git.deploy(A)
    assert answer["code"] == "queue_full", answer
    assert answer["changed"]
    assert "nothing was changed" not in answer["msg"]


def test_settings_that_could_not_be_put_back_are_put_back_by_the_next_run(git: Machine) -> None:
    git.good(A)
    git.server.fill_queue()

    def break_down(pauses: int) -> None:
        if pauses == 1:
            git.server.faults.append(Fault("PATCH", "status", 500, times=1))

    git.clock.at_pause = break_down
    answer = git.deploy(B)
    assert answer["code"] == "queue_full", answer
    assert answer["changed"]
    assert git.app.data["git_commit_sha"] == B
    stopped = git.probe(stop=True, installation="machine", deployment="dep_0001", turn=2)
    assert stopped["sealed"]
    assert git.app.data["git_commit_sha"] == A


@pytest.mark.parametrize("kind", ["status", "lost"])
def test_settings_whose_change_got_no_answer_are_put_back(git: Machine, kind: str) -> None:
    git.good(A)
    git.server.faults.append(Fault("PATCH /api/v1/applications/app-git", kind, 500))
    answer = git.deploy(B)
    assert answer.failed
    assert not answer["changed"]
    assert git.app.data["git_commit_sha"] == A
    assert git.begun() == 1


def test_a_proxy_that_answers_404_while_coolify_restarts_is_not_believed(git: Machine) -> None:
    git.server.faults.append(Fault("GET /api/v1/deployments/", "status", 404, times=6))
    git.server.faults[0].times = 0

    def restart(pauses: int) -> None:
        if pauses == 1:
            git.server.faults[0].times = 6

    git.clock.at_pause = restart
    git.good(A)
    assert git.server.faults[0].times == 0
    assert git.begun() == 1


# --- answers that cannot be trusted --------------------------------------------------------

DEEP = b"[" * 200_000
HOSTILE = [
    DEEP,
    b'{"a":' * 50_000,
    b"9" * 5_000,
    b'{"deployment_uuid": ' + b"9" * 30 + b"}",
    b'{"deployment_uuid": {"a": 1}, "status": [], "git_commit_sha": {}}',
    b'{"deployment_uuid": "../../teams", "status": "running", "uuid": 3}',
    b"NaN",
    b"null",
    b"[null]",
    b'"text"',
    b"\xff\xfe{",
    b"",
]


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:24]))
@pytest.mark.parametrize("on", ["GET /api/v1/applications/app-git", "GET /api/v1/deployments/app"])
def test_an_answer_that_cannot_be_trusted_changes_nothing(
    git: Machine, on: str, body: bytes
) -> None:
    git.server.faults.append(Fault(on, "body", times=999, body=body))
    refused(git, "coolify_unexpected")
    git.server.faults.clear()
    git.good(A)


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:24]))
def test_a_deployment_is_followed_through_answers_that_cannot_be_trusted(
    git: Machine, body: bytes
) -> None:
    git.server.faults.append(Fault(START, "body", body=body))
    git.server.faults.append(Fault(FOLLOW, "body", times=3, body=body))
    git.good(A)
    assert git.begun() == 1
    assert git.app.commit_that_runs == A


def test_a_log_that_cannot_be_trusted_is_told_as_text_and_cut(git: Machine) -> None:
    long = "x" * 5_000_000
    lines = ["\x1b[2K\x1b[32mOK\x1b]52;c;aGk=\x07 \u202egood\x00", long, f"{SECRET} {long}"]
    (log,) = _logs_of(git, json.dumps([{"output": line} for line in lines]))
    assert log.splitlines()[0] == "OK good"
    assert len(log) < 10_000
    (deep,) = _logs_of(git, "[" * 200_000)
    assert len(deep) < 10_000


def _logs_of(git: Machine, logs: str) -> list[str]:
    """Return what a deployment tells whose log at Coolify is this."""
    done = {"deployment_uuid": "dep1", "status": "finished", "logs": logs}
    site = coolify_site.CoolifySite(service(git), None)
    coolify_follow._tell(site, coolify_resource._deployment(done))
    return [entry["text"] for entry in site.report.log]


def service(git: Machine) -> coolify_service.CoolifyService:
    """Return the service that the machine's options describe."""
    filled = {name: option.get("default") for name, option in COOLIFY_SERVICE.items()}
    options = {**filled, **git.options}
    return coolify_service.from_options(options, git.secrets, {"token": TOKEN})


# --- wrong from the start ------------------------------------------------------------------


def refused(git: Machine, code: str, *said: str) -> None:
    """See that a deployment is refused with a code and words, and that Coolify was not changed."""
    answer = git.deploy(A)
    assert answer.failed
    assert answer["code"] == code, answer
    for text in said:
        assert text in answer["msg"] + answer["hint"]
    assert not answer["changed"]
    assert not answer["switched"]
    assert not git.begun()
    assert git.app.data["git_commit_sha"] == "HEAD"
    assert not git.app.envs


def test_a_bad_token_is_refused(git: Machine) -> None:
    git.token = "2|another-token"
    refused(git, "token_refused", "Coolify does not know the token")


@pytest.mark.parametrize("missing", ["write", "deploy"])
def test_a_missing_ability_is_reported_before_anything_is_changed(
    git: Machine, missing: str
) -> None:
    git.server.tokens[TOKEN].remove(missing)
    refused(git, "coolify_forbidden", f"Missing required permissions: {missing}")
    assert git.check(A)["code"] == "coolify_forbidden"


def test_a_wrong_uuid_is_reported(git: Machine) -> None:
    git.options["application_uuid"] = "nothing-has-this"
    refused(git, "coolify_not_found", "application_uuid")


def test_a_closed_port_is_reported(git: Machine) -> None:
    git.options["url"] = f"http://127.0.0.1:{free_port()}"
    refused(git, "coolify_unreachable", "connection refused", "check the url")


@contextmanager
def other_server() -> Iterator[str]:
    """Yield the address of a web server that is no Coolify."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Know nothing."""
            self.send_error(404)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{found.server_port}"
        finally:
            found.shutdown()
            thread.join()


def test_something_that_is_not_coolify_is_reported(git: Machine) -> None:
    with other_server() as url:
        git.options["url"] = url
        refused(git, "coolify_not_found", "the url")


def certificate(folder: Path) -> tuple[str, str]:
    """Return a certificate for localhost that its own key signed, and that key."""
    make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    files = str(folder / "server.pem"), str(folder / "server.key")
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    argv = ["openssl", *make.split(), *name, "-out", files[0], "-keyout", files[1]]
    subprocess.run(argv, check=True, capture_output=True)
    return files


def test_a_certificate_is_trusted_only_where_its_authority_is_named_or_nothing_is_validated(
    server: Coolify, git: Machine, tmp_path: Path
) -> None:
    file, key = certificate(tmp_path)
    server.secure(file, key)
    git.options["url"] = server.url
    refused(git, "coolify_tls", "ca_file")
    git.options["ca_file"] = file
    git.good(A)
    git.options |= {"ca_file": None, "validate_certs": False}
    git.good(B)


def test_a_server_without_tls_is_reported(git: Machine) -> None:
    git.options["url"] = git.server.url.replace("http://", "https://")
    refused(git, "coolify_tls", "check that the url is https")
