"""The Python in the documents about NATS runs as it is written, against a real server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fraisier.nats.sink import JetStreamSink
from support.databases import NatsServer
from support.pages import Block, page
from support.target import until
from support.telling import connected, listening, notice

PAGES = ("docs/EVENT_REFERENCE.md", "docs/NATS_INTEGRATION_GUIDE.md", "docs/NATS_EXAMPLES.md")
BLOCKS = [block for name in PAGES for block in page(name).blocks("python")]
ID = "dep_01m84z0j9d0y8v4t2c3x5w6q7r"


@pytest.fixture
def server() -> Iterator[NatsServer]:
    """Return a NATS server of this test's own."""
    found = NatsServer()
    yield found
    found.close()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(block.line))
def test_a_program_of_the_documents_says_something_and_does_not_break(
    block: Block, server: NatsServer, tmp_path: Path
) -> None:
    """Those that listen for ever are ended once they have said something."""
    said = tmp_path / "said"
    with connected(server.url) as sink, said.open("w") as output:
        sink.look({})
        tell = [notice(n, ID, kind, data=data) for n, (kind, data) in enumerate(STORY, 1)]
        sink.publish(tell)
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", block.text],
            env={**os.environ, "FRAISIER_NATS_URL": server.url},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            if "listen()" in block.text:
                until(lambda: any(listening(server.url).values()))
                _tell_until(lambda: process.poll() is not None or bool(said.read_text()), sink)
            until(lambda: process.poll() is not None or said.read_text(), 60)
            if "listen(" not in block.text or "stop=" in block.text:
                assert process.wait(60) == 0, said.read_text()
        finally:
            process.kill()
            process.wait()
    assert said.read_text()
    assert "Traceback" not in said.read_text(), said.read_text()


def _tell_until(heard: Callable[[], bool], sink: JetStreamSink) -> None:
    """Tell the story anew until it is heard: a program opens one stream after another."""
    for round_ in range(1, 120):
        numbered = enumerate(STORY, 100 * round_)
        sink.publish([notice(n, ID, kind, data=data) for n, (kind, data) in numbered])
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            if heard():
                return
            time.sleep(0.05)


ENDED = {"status": "failed", "reason": "the gate", "queue_seconds": 1.0, "duration_seconds": 2.0}
STORY = [
    ("deployment.started", {}),
    ("health_check.failed", {"passed": False}),
    ("deployment.failed", {"status": "failed", "reason": "the gate"}),
    ("metrics.deployment", ENDED),
    ("deployment.completed", ENDED),
]


def test_the_dead_letters_of_the_example_are_printed(server: NatsServer) -> None:
    """Its program says `no more` where there are none; here there is one."""
    from fraisier.nats import EventSubscriberRegistry
    from support.telling import bus

    (block,) = (each for each in BLOCKS if "dead_letter" in each.text)
    registry = EventSubscriberRegistry(bus(server.url))

    def fails(_event: object) -> None:
        raise LookupError("no room")

    registry.register(fails)
    with connected(server.url) as sink:
        sink.look({})
        sink.publish([notice(1)])
        registry.listen(seconds=1, since="2020-01-01T00:00:00Z", max_deliver=1)
    done = subprocess.run(
        [sys.executable, "-c", block.text],
        env={**os.environ, "FRAISIER_NATS_URL": server.url},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("LookupError: no room {")
