"""What a host says reaches terminals, logs, receivers and streams as plain text, by every way.

The words come in by a build, a health check, a log, a command beside the service, a dry run, and
records of earlier versions; they leave by each command, alone and of a server, by webhooks, chats,
email, JetStream and the log of a server.
"""

from __future__ import annotations

import io
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fraisier.cli import error_json
from fraisier.cli.context import Context, table
from fraisier.cli.working import OneLine
from fraisier.domain.delivery import Endpoint
from fraisier.domain.errors import FraisierError
from fraisier.domain.event import Fact
from fraisier.domain.notice import Notice
from fraisier.domain.outcome import Outcome
from fraisier.domain.plain_text import clean, one_line
from fraisier.domain.plan import Work
from fraisier.nats.encoding import message_of
from fraisier.store import SqlStore
from fraisier.webhooks.outgoing.chat import message_body
from fraisier.webhooks.outgoing.payloads import webhook_body
from support.foreign import HOSTILE, OBEYED, Answering, event
from support.in_process import HOST, NAMES, Commands, Project, ScriptedHosts, alone, behind_a_server
from support.repository import Repository

LONG = "x" * 1_000_000
RELEASE = {"id": HOSTILE[:60], "version": HOSTILE[:60], "status": HOSTILE, "deployment": HOSTILE}
UNIT = {"active_state": HOSTILE, "sub_state": HOSTILE, "main_pid": 1, "n_restarts": 0}
GATE = {"type": HOSTILE, "passed": False, "detail": HOSTILE, "seconds": 1.0, "attempts": 1}


class Hostile(ScriptedHosts):
    """A host that puts such words into everything it says."""

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Answer as a module would."""
        return Answering(_answer).run(work, on_facts, cancelled)


def _answer(work: Work, host: str) -> list[dict[str, Any]]:
    match work.verb:
        case "app":
            return [event("app", {"changed": False, "gate": GATE, "app": _app(work)}, host=host)]
        case "probe" | "restore":
            holder = {"number": 7, "installation": HOSTILE, "deployment": HOSTILE}
            probed = {"release": RELEASE, "running": HOSTILE, "releases": [RELEASE], "unit": UNIT,
                      "fence": holder}  # fmt: skip
            return [event("release_probe", probed, host=host)]
    log = [{"step": HOSTILE, "text": HOSTILE}, {"step": "build", "text": LONG}]
    diff = [{"before": "a", "after": HOSTILE, "before_header": HOSTILE}]
    unknown = [{"step": HOSTILE, "why": HOSTILE}]
    result = {
        "changed": True, "switched": False, "release": RELEASE, "previous": RELEASE, "fence": 1,
        "log": log, "gate": GATE, "diff": diff, "unpredictable": unknown, "code": "build_failed",
        "msg": HOSTILE + LONG, "hint": HOSTILE, "step": HOSTILE,
    }  # fmt: skip
    spoken = {"event": "warning", "stdout": HOSTILE}
    if work.request.get("check"):
        return [spoken, event("release", result, host=host)]
    return [spoken, event("release", result, True, host)]


def _app(work: Work) -> dict[str, Any]:
    return {
        "unit": UNIT, "release": RELEASE, "ok": True, "since": 1.0, "memory_bytes": 1,
        "entries": [{"at": 1.0, "source": HOSTILE, "text": HOSTILE}, {"at": 2.0, "source": "a",
                    "text": LONG}], "cursor": None, "now": 3.0, "left_out": 0,
        "exit_status": 3, "output": HOSTILE + LONG, "timed_out": False, "clock": 1.0,
        "disk": {"path": HOSTILE, "bytes": 1, "files": 1}, "python": HOSTILE,
        "shell": {"program": HOSTILE, "seconds": 9.0, "bare": 0.1, "files": [HOSTILE]},
    }  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a repository with one version."""
    base = tmp_path_factory.mktemp("repository")
    made = Repository.create(base, "app", base / "work")
    made.commit("good")
    return made


@pytest.fixture
def project(repository: Repository, tmp_path: Path) -> Project:
    """Return a project whose host is hostile."""
    made = Project.create(tmp_path / "project", repository)
    made.hosts = Hostile()
    return made


@pytest.fixture(params=["alone", "server"])
def front(request: pytest.FixtureRequest, project: Project) -> Iterator[Commands]:
    """Return the command in both ways."""
    if request.param == "alone":
        yield alone(project)
    else:
        with behind_a_server(project) as served:
            yield served


def require_plain(text: str) -> None:
    """Fail where a terminal would obey a text, or be shown a word that is not there."""
    found = OBEYED.search(text)
    assert found is None, text[max(0, found.start() - 80) : found.end() + 20]


def spoil(project: Project) -> None:
    """Put the words into the records, as 0.1.0 left them there."""
    error = json.dumps({"code": "build_failed", "message": HOSTILE, "hint": HOSTILE})
    with closing(sqlite3.connect(project.folder / "fraisier.db")) as records, records:
        records.execute("UPDATE deployments SET reason = ?", [HOSTILE.replace("\ud800", "")])
        records.execute("UPDATE deployment_hosts SET error = ?", [error])
        data = json.dumps({"state": "failed", "verb": "deploy", "text": HOSTILE, "step": HOSTILE,
                           "error": json.loads(error), "why": HOSTILE})  # fmt: skip
        records.execute(
            "UPDATE events SET data = ? WHERE type IN "
            "('deployment.host_completed', 'log.line', 'deployment.tested')",
            [data],
        )


def test_no_command_shows_what_a_terminal_would_obey(front: Commands) -> None:
    done = front("-vv", "deploy", *NAMES, *front.waiting)
    require_plain(done.said)
    assert "build_failed" in done.said
    mine = front.json("history")["deployments"][0]["id"]
    shown = front.json("show", mine)
    assert "\n" not in shown["reason"]
    assert len(shown["reason"]) < 5000
    ways: list[tuple[str, ...]] = [
        ("show", mine), ("events", mine), ("logs", mine), ("status",), ("history",), ("list",),
        ("hosts", "probe", *NAMES), ("app", "status", *NAMES), ("app", "logs", *NAMES),
        ("app", "exec", *NAMES, "--", "true"), ("plan", *NAMES), ("queue", "status"),
        ("audit",),
    ]  # fmt: skip
    for said in [front(*words) for words in ways]:
        require_plain(said.said)
    spoil(front.project)
    for said in [front(*words) for words in ways[:5]]:
        require_plain(said.said)
    assert "\n" not in front.json("show", mine)["reason"]


def test_doctor_shows_nothing_that_a_terminal_would_obey(project: Project) -> None:
    require_plain(alone(project)("doctor").said)


def test_what_is_recorded_is_plain_and_so_is_what_receivers_are_sent(project: Project) -> None:
    alone(project)("deploy", *NAMES)
    store = SqlStore.open(f"sqlite:///{project.folder / 'fraisier.db'}")
    mine = alone(project).json("history")["deployments"][0]["id"]
    told = store.events(mine)
    assert {"log.line", "health_check.failed", "deployment.failed"} <= {each.type for each in told}
    for each in told:
        for data in (dict(each.data), {"text": HOSTILE, "reason": HOSTILE, "message": HOSTILE}):
            require_sendable(Notice(each.id, each.type, mine, 1, each.at, HOST, data, version="v",
                                    fraise="f", environment="e", triggered_by=HOSTILE))  # fmt: skip
        require_plain(json.dumps(dict(each.data), ensure_ascii=False).replace("\\n", ""))


def require_sendable(notice: Notice) -> None:
    """Fail unless each kind of receiver gets plain text, and whole JSON."""
    sent = message_of(notice, "inst", 1 << 20)
    assert all(name.isprintable() and value.isprintable() for name, value in sent.headers.items())
    json.loads(sent.body)
    assert b"\x1b" not in sent.body
    assert webhook_body(notice, "inst").isprintable()
    for kind in ("slack", "discord", "teams", "email"):
        body = message_body(Endpoint("x", kind, "https://x.test"), notice)
        assert body.isprintable()
        subject = json.loads(body).get("subject", "")
        assert subject.isprintable()
        if kind == "email":
            require_plain(json.loads(body)["text"])


def test_a_server_logs_one_plain_line_for_each_record() -> None:
    handler = logging.StreamHandler(out := io.StringIO())
    handler.setFormatter(OneLine("%(levelname)s %(name)s: %(message)s"))
    log = logging.Logger("x")
    log.addHandler(handler)
    log.warning("it said: %s", HOSTILE)
    try:
        raise ValueError(HOSTILE + "\nERROR x: forged")
    except ValueError:
        log.exception("it broke off")
    require_plain(out.getvalue())
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("WARNING x: it said: \\x1b[2K\\x1b[32mOK")
    assert [line for line in lines if not line.startswith(" ")] == [
        lines[0],
        "ERROR x: it broke off",
    ]


def test_errors_tables_and_colors_are_plain(capfd: pytest.CaptureFixture[str]) -> None:
    rows = table([{"name": HOSTILE, "what": "a"}], ("name", "what"))
    assert len(rows.splitlines()) == 2
    for color in (True, False):
        context = Context(color=color)
        for say in (context.say, lambda text, to=context: to.emit({}, text)):
            say(f"{context.style('good', fg='green')} {HOSTILE}")
    said = capfd.readouterr()
    require_plain((said.out + said.err).replace("\x1b[32m", "").replace("\x1b[0m", ""))
    assert json.dumps(error_json(FraisierError(HOSTILE, HOSTILE))).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 你好 é", "plain ü 你好 é"),
        ("\x1b[1;31mred\x1b[0m", "\\x1b[1;31mred\\x1b[0m"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("10%\r20%\r\ndone\x85x\u2028y\x0cz", "10%\n20%\ndone\nx\ny\nz"),
        ("a\x00b\x08c\x7f", "a\\x00b\\x08c\\x7f"),
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("\ud800", "\\ud800"),
        ("tab\there\n", "tab\there\n"),
        ("\x9b2Jx\x9d0;t\x9cy", "\\x9b2Jx\\x9d0;t\\x9cy"),
        ("\x1b", "\\x1b"),
    ],
)
def test_text_from_outside_is_cleaned(text: str, shown: str) -> None:
    assert clean(text) == shown
    assert clean(shown) == shown
    assert "\n" not in one_line(text)


def test_a_long_text_is_one_bounded_line() -> None:
    assert len(one_line(LONG)) == 1000
    assert one_line("a\n\n  b") == "a b"
