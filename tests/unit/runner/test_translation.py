"""From what Ansible and SSH say to what a person can act on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fraisier.domain.host import Host
from fraisier.domain.outcome import Outcome
from fraisier.domain.plan import Work
from fraisier.runner.translation import Translation
from support.fakes import make_target


def work(*hosts: str) -> Work:
    """Return a piece of work on these hosts."""
    target = make_target(*hosts or ("web-1",))
    return Work("dep_1", "deploy", "p", target.hosts, True, {}, {}, 60)


def event(kind: str, host: str = "web-1", **data: Any) -> dict[str, Any]:
    """Return an event as ansible-runner gives it."""
    action = data.pop("action", "fraisier.deploy.release")
    return {
        "event": kind,
        "event_data": {"host": host, "task": "Deploy", "play": "p", "task_action": action, **data},
    }


def translated(*events: dict[str, Any], ended: str = "done") -> tuple[list[Any], Outcome]:
    """Return the facts and the outcome of a run."""
    translation = Translation(work())
    facts = [fact for one in events for fact in translation.facts(one)]
    return facts, translation.outcome(ended)


def test_a_result_becomes_facts_and_only_allowed_fields_leave() -> None:
    result = {
        "changed": True, "switched": True, "release": {"id": "r2"}, "previous": {"id": "r1"},
        "gate": {"type": "http", "passed": True, "attempts": 3, "seconds": 1.5},
        "log": [{"step": "build", "text": "ok"}],
        "invocation": {"module_args": {"secret": "s3cret"}},
    }  # fmt: skip
    facts, outcome = translated(event("runner_on_start"), event("runner_on_ok", res=result))
    assert [fact.type for fact in facts] == [
        "runner.task_started", "runner.task_changed", "log.line", "deployment.release_switched",
        "health_check.started", "health_check.passed",
    ]  # fmt: skip
    assert facts[-2].data == {"type": "http", "seconds": 1.5}
    assert outcome.ok
    assert outcome.hosts["web-1"].result["switched"]
    assert "s3cret" not in f"{facts} {outcome}"


def test_a_failure_of_ours_keeps_its_code_and_hint() -> None:
    result = {"msg": "no", "code": "build_failed", "hint": "look", "switched": False}
    _, outcome = translated(event("runner_on_failed", res=result))
    assert outcome.hosts["web-1"].error == {"code": "build_failed", "message": "no", "hint": "look"}
    assert outcome.hosts["web-1"].state == "failed"


@pytest.mark.parametrize(
    ("said", "code", "state"),
    [
        ("Host key verification failed.", "host_key_unknown", "unreachable"),
        ("@@ REMOTE HOST IDENTIFICATION HAS CHANGED! @@\nHost key verification failed.",
         "host_key_changed", "unreachable"),
        ("deploy@10.0.0.1: Permission denied (publickey).", "ssh_denied", "unreachable"),
        ("ssh: connect to host x port 22: Connection refused", "host_unreachable", "unreachable"),
        ("ssh: Could not resolve hostname x: Name or service not known", "host_unknown",
         "unreachable"),
        ("Timeout, server 127.0.0.1 not responding.", "contact_lost", "unknown"),
        ("Shared connection to x closed.", "contact_lost", "unknown"),
    ],
)  # fmt: skip
def test_what_ssh_says_has_a_code_a_hint_and_a_consequence(
    said: str, code: str, state: str
) -> None:
    msg = f"Failed to connect to the host via ssh: {said}"
    facts, outcome = translated(event("runner_on_unreachable", res={"msg": msg}))
    host = outcome.hosts["web-1"]
    assert (host.error or {})["code"] == code
    assert (host.error or {})["hint"]
    assert host.state == state
    assert facts[0].type == "runner.host_unreachable"


def test_a_module_that_died_leaves_the_host_unsure() -> None:
    result = {"msg": "MODULE FAILURE", "module_stderr": "Killed"}
    _, outcome = translated(event("runner_on_failed", res=result))
    assert outcome.hosts["web-1"].state == "unknown"


def test_sudo_that_wants_a_password_is_named_and_nothing_ran() -> None:
    result = {
        "msg": "Task failed: Premature end of stream",
        "stderr": "sudo: a password is required",
    }
    _, outcome = translated(event("runner_on_failed", res=result))
    assert (outcome.hosts["web-1"].error or {})["code"] == "become_failed"
    assert outcome.hosts["web-1"].state == "failed"


def test_a_host_that_had_begun_when_the_run_was_cancelled_is_unsure() -> None:
    _, outcome = translated(event("runner_on_start"), ended="cancelled")
    assert outcome.hosts["web-1"].state == "unknown"
    _, outcome = translated(ended="cancelled")
    assert outcome.hosts["web-1"].state == "failed"


def test_a_broken_playbook_says_what_ansible_said() -> None:
    _, outcome = translated({"event": "verbose", "stdout": "ERROR! no such role"}, ended="broken")
    assert "no such role" in outcome.first_error()["message"]


@pytest.mark.parametrize(
    "said",
    [
        "Failed to connect to the host via ssh: Connection refused",
        'Task failed: Data could not be sent to remote host "h". '
        "Make sure this host can be reached over ssh: Connection refused",
        "Warning: Permanently added\nConnection refused",
    ],
)
def test_what_ansible_adds_to_what_ssh_said_is_left_out(said: str) -> None:
    _, outcome = translated(event("runner_on_unreachable", res={"msg": said}))
    assert outcome.first_error()["message"] == "Connection refused"


def test_the_diffs_of_a_task_and_of_every_turn_of_its_loop_are_told() -> None:
    one = {"before": "", "after": "a"}
    turns = [{"changed": True, "diff": one}, {"changed": False, "diff": {"before": "b"}}]
    for result in ({"changed": True, "diff": [one]}, {"changed": True, "results": turns}):
        (fact,), _ = translated(event("runner_on_ok", action="ansible.builtin.copy", res=result))
        assert fact.data["diff"] == [one]
    (plain,), _ = translated(event("runner_on_ok", action="x", res={"changed": True}))
    assert "diff" not in plain.data


def test_a_host_that_is_lost_after_a_task_changed_it_is_unsure() -> None:
    """I14: that no connection was made for the next task does not mean that nothing ran."""
    lost = event("runner_on_unreachable", res={"msg": "ssh: Connection timed out"})
    for changed, state in ((True, "unknown"), (False, "unreachable")):
        done = event("runner_on_ok", action="ansible.builtin.copy", res={"changed": changed})
        assert translated(done, lost)[1].hosts["web-1"].state == state


def test_a_run_that_broke_off_says_why_for_a_host_that_had_begun() -> None:
    translation = Translation(work())
    translation.facts(event("runner_on_start"))
    error = translation.outcome("broken", "the run was killed").hosts["web-1"].error
    assert (error or {})["message"].endswith("had answered: the run was killed")


def silent(out: str = "", err: str = "", code: Any = 1) -> dict[str, Any]:
    """Return what Ansible makes of an answer without JSON."""
    msg = "Module result deserialization failed: No start of json char found"
    return {"msg": msg, "module_stdout": out, "module_stderr": err, "rc": code}


@pytest.mark.parametrize(
    ("result", "code", "state"),
    [
        (silent(code=0), "module_not_run", "failed"),
        (silent('Please login as the user "ubuntu".', code=142), "login_refused", "failed"),
        (silent(err="Your account has expired; please contact us"), "login_refused", "failed"),
        (silent("This account is currently not available."), "login_refused", "failed"),
        (silent(err="sudo: account validation failure, is your account locked?"),
         "become_failed", "failed"),
        (silent(err="Sorry, user deploy is not allowed to execute '/bin/sh' as root on web-1."),
         "become_failed", "failed"),
        (silent(err="sudo: unknown user root"), "become_failed", "failed"),
        (silent(err="/bin/sh: 1: sudo: not found", code=127), "become_failed", "failed"),
        (silent(err="/bin/sh: 1: /usr/bin/python3: not found", code=127),
         "python_missing", "failed"),
        (silent(err="/opt/py: cannot execute: required file not found", code=126),
         "module_not_run", "failed"),
        ({"msg": "ansible-core requires a minimum of Python version 3.8. Current version: 3.6"},
         "python_missing", "failed"),
        ({"msg": "Timeout (12s) waiting for privilege escalation prompt: "},
         "become_failed", "failed"),
        (silent(err="Killed", code=137), "host_answer_invalid", "unknown"),
        (silent(code=152), "host_answer_invalid", "unknown"),
        (silent(err="CPU time limit exceeded", code=152), "host_answer_invalid", "unknown"),
        (silent(code=124), "host_answer_invalid", "unknown"),
        (silent(err="Exception ignored in: <_io.TextIOWrapper name='<stdout>'>\nBrokenPipeError",
                code=120), "host_answer_invalid", "unknown"),
        (silent(err="Traceback (most recent call last):\nX: password is required"),
         "become_failed", "unknown"),
        (silent('{"changed": true, "fen'), "host_answer_invalid", "unknown"),
        (silent(code=255), "contact_lost", "unknown"),
        (silent(code=-9), "contact_lost", "unknown"),
        (silent(code="0"), "host_answer_invalid", "unknown"),
    ],
)  # fmt: skip
def test_words_of_a_host_in_the_place_of_a_result_are_told(
    result: dict[str, Any], code: str, state: str
) -> None:
    _, outcome = translated(event("runner_on_failed", res=result))
    host = outcome.hosts["web-1"]
    error = host.error or {}
    assert (error["code"], host.state) == (code, state)
    words = (result.get("module_stdout") or result.get("module_stderr") or "").splitlines()
    assert all(line in error["message"] for line in words)
    assert error["hint"]


def test_words_after_a_task_has_changed_the_host_leave_it_unsure() -> None:
    done = event("runner_on_ok", action="ansible.builtin.copy", res={"changed": True})
    _, outcome = translated(done, event("runner_on_failed", res=silent("no entry", code=1)))
    assert outcome.hosts["web-1"].state == "unknown"


def test_a_hint_names_a_command_that_can_be_pasted() -> None:
    hosts = (Host("web-1", "10.0.0.7", 2222, "deploy"),)
    translation = Translation(Work("dep_1", "deploy", "p", hosts, True, {}, {}, 60))
    translation.facts(event("runner_on_failed", res=silent("hello", code=0)))
    hint = (translation.outcome("done").hosts["web-1"].error or {})["hint"]
    assert "ssh -p 2222 deploy@10.0.0.7 python3 -V" in hint


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures",
         "ssh_denied", "Too many"),
        ("Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: "
         "ssh-dss", "ssh_unsuitable", "ssh-dss"),
        ("The system is going down for maintenance.\r\nConnection closed by 10.0.0.1 port 22",
         "host_unreachable", "going down for maintenance.; Connection closed"),
        ("Connection closed by 10.0.0.1 port 22", "host_unreachable", "closed by 10"),
        ("kex_exchange_identification: Connection closed by remote host", "host_unreachable",
         "closed by remote"),
    ],
)  # fmt: skip
def test_what_sshd_says_before_a_login_is_told(said: str, code: str, words: str) -> None:
    begin = (
        'Task failed: Data could not be sent to remote host "10.0.0.1". Make sure this host can be '
        "reached over ssh:\r\n"
    )
    msg = f"{begin if words == 'closed by 10' else 'Failed to connect to the host via ssh: '}{said}"
    _, outcome = translated(event("runner_on_unreachable", res={"msg": msg}))
    host = outcome.hosts["web-1"]
    assert ((host.error or {})["code"], host.state) == (code, "unreachable")
    assert words in (host.error or {})["message"]
    assert "Data could not" not in (host.error or {})["message"]
    closed = code == "host_unreachable"
    assert closed == ("/run/nologin" in (host.error or {})["hint"]), "pam_nologin closes so"


def test_events_of_any_shape_are_survived() -> None:
    for data in (None, [], 7, {}, {"host": None, "res": 5}, {"host": ["web-1"], "res": {"diff": 3}},
                 {"host": "elsewhere", "res": {"results": [1], "changed": 1}}):  # fmt: skip
        for kind in ("runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_on_start",
                     "runner_on_skipped", "playbook_on_play_start", None):  # fmt: skip
            translated({"event": kind, "event_data": data})


def test_a_host_that_ansible_does_not_know_is_named() -> None:
    """Its inventory was changed since, or reads the name in its own way."""
    _, outcome = translated(event("runner_on_start", host="web"))
    assert list(outcome.hosts) == ["web-1"]
    assert "no host of that name" in (outcome.hosts["web-1"].error or {})["message"]


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (silent(code=-9), ("SSH connection", "SIGKILL", "this machine")),
        (silent(code=-15), ("SSH connection", "SIGTERM", "this machine")),
        (silent(code=255), ("SSH connection",)),
        (silent(err="Killed", code=137), ("SIGKILL", "module", "Killed")),
        (silent(code=152), ("SIGXCPU", "module")),
        (silent(code=128 + 70), ("signal 70", "module")),
    ],
)
def test_what_a_signal_ended_has_a_reason_people_understand(
    result: dict[str, Any], says: tuple[str, ...]
) -> None:
    _, outcome = translated(event("runner_on_failed", res=result))
    message = outcome.first_error()["message"]
    assert all(word in message for word in says), message
    assert "json" not in message.lower()


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("Failed to connect to the host via ssh: ", "broke off: ssh did not say why"),
        ("Failed to connect to the host via ssh: Killed by signal 15.",
         "broke off: SIGTERM ended ssh on this machine"),
        ("Task failed: Data could not be sent to remote host \"h\". Make sure this host can be "
         "reached over ssh: Shared connection to h closed.", "broke off: Shared connection"),
        ("Failed to create temporary directory. Failed command was: mkdir, exited with result -9",
         "SIGKILL ended ssh on this machine"),
    ],
)  # fmt: skip
def test_an_ssh_connection_that_breaks_off_is_told(said: str, says: str) -> None:
    _, outcome = translated(event("runner_on_unreachable", res={"msg": said}))
    assert outcome.first_error()["code"] == "contact_lost"
    assert says in outcome.first_error()["message"]


@pytest.mark.parametrize("began", [True, False])
def test_a_run_that_takes_too_long_names_the_limit(began: bool) -> None:
    asked = replace(work(), limit="progress_deadline (600 s)")
    translation = Translation(asked)
    if began:
        translation.facts(event("runner_on_start"))
    error = translation.outcome("timeout").first_error()
    assert error["code"] == "timeout"
    assert "progress_deadline (600 s)" in error["message"]
    assert "build_timeout" in error["hint"]
    assert "60 s" in Translation(work()).outcome("timeout").first_error()["message"]
