"""Work goes on without a terminal: signals ask for a clean stop, and output may be lost."""

from __future__ import annotations

import json
import logging
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fraisier.cli.context import Context
from fraisier.cli.stopping import Stopping
from fraisier.cli.streams import LogHandler
from support.signals import handled


def closed_pipe() -> int:
    """Return the writing end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def closed_terminal() -> int:
    """Return a terminal whose window is closed."""
    window, terminal = pty.openpty()
    os.close(window)
    return terminal


def full_disk() -> int:
    """Return a file that has no room."""
    return os.open("/dev/full", os.O_WRONLY)


GONE = (closed_pipe, closed_terminal, full_disk)


@pytest.mark.parametrize("gone", GONE)
def test_progress_that_nobody_reads_stops_nothing(
    gone: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with os.fdopen(gone(), "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "stdout", stream)
        context = Context(json=True)
        context.say("one")
        context.say("two")
        context.conclude({"status": "success"}, "done")
        stream.flush()


def test_a_log_that_nobody_reads_stops_nothing() -> None:
    with os.fdopen(closed_pipe(), "w") as stream:
        handler = LogHandler(stream)
        for text in ("one", "two"):
            handler.handle(logging.makeLogRecord({"msg": text}))
        stream.flush()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGINT])
def test_each_signal_that_ends_a_process_asks_for_a_clean_stop(number: signal.Signals) -> None:
    asked: list[str] = []
    with handled(signal.SIG_DFL, number):
        with Stopping(lambda: asked.append("stop"), None) as stopping:
            signal.raise_signal(number)
            assert stopping.wanted()
        assert signal.getsignal(number) is signal.SIG_DFL
    assert asked == ["stop"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_under_nohup_a_closed_terminal_stops_nothing(number: signal.Signals) -> None:
    with handled(signal.SIG_IGN, number), Stopping(lambda: None, None) as stopping:
        signal.raise_signal(number)
        assert not stopping.wanted()


def test_what_is_printed_never_reaches_a_file_in_the_place_of_a_closed_stream(
    tmp_path: Path,
) -> None:
    (tmp_path / "fraises.yaml").write_text("fraises: {}\n")
    listing = f"{sys.executable} -m fraisier --json list"
    closed = ("2>&- <&-", ">&- 2>&- <&-", "nothing 2>&-")
    script = "; ".join(f"{listing} {each}; echo $?" for each in closed)
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    *listed, first, second, refused = done.stdout.split()
    assert json.loads("".join(listed))["targets"] == []
    assert (first, second, refused) == ("0", "0", "2")
    assert done.stderr == ""


def test_characters_that_the_encoding_lacks_are_written_out() -> None:
    script = (
        "from fraisier.cli.context import Context; from fraisier.cli.streams import attach; "
        "attach(); Context().conclude({}, 'failed: \\u4e2d \\xe9')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True, encoding="latin-1", timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "failed: \\u4e2d \xe9\n")
