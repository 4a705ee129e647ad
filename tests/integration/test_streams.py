"""Logs followed live on a real server: resumed, cut, capped, and nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.event import Fact
from fraisier.domain.ports import NewDeployment
from fraisier.store import SqlStore
from support.command import Fraisier
from support.fakes import begin, make_target
from support.server import Server, serving
from support.target import until

LINE = Fact("log.line", "web-1", {"text": "a line", "step": "build"})
BIG = Fact("log.line", "web-1", {"text": "x" * 20_000, "step": "build"})
#: A stream that has nothing to tell goes on for ever, so that each wait for a message has an end.
MESSAGE_SECONDS = 60
#: The server cuts a viewer that takes nothing for ten seconds.
CUT_SECONDS = 90
_numbers = count(1)


@dataclass(frozen=True)
class Scene:
    """A server, its records, and a deployment of this test that goes on in them."""

    fraisier: Fraisier
    server: Server
    store: SqlStore
    running: Deployment
    opened: ExitStack = field(default_factory=ExitStack)

    def follow(self, seen: int = 0, server: Server | None = None) -> requests.Response:
        """Begin a stream of the events after one."""
        to = server or self.server
        headers = {
            "Authorization": f"Bearer {to.secret}",
            "Accept": "text/event-stream",
            **({"Last-Event-ID": str(seen)} if seen else {}),
        }
        where = f"{to.url}/api/v1/deployments/{self.running.id}/events"
        answer = requests.get(where, headers=headers, stream=True, timeout=MESSAGE_SECONDS)
        self.opened.callback(answer.close)
        assert answer.status_code == 200, answer.text
        return answer

    def raw(self, buffer: int | None = None) -> socket.socket:
        """Begin a stream on a socket, with a receive buffer of so many bytes."""
        made = self.opened.enter_context(socket.socket())
        if buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        made.settimeout(MESSAGE_SECONDS)
        made.connect(("127.0.0.1", urlsplit(self.server.url).port or 0))
        made.sendall(
            f"GET /api/v1/deployments/{self.running.id}/events HTTP/1.1\r\nHost: x\r\n"
            f"Accept: text/event-stream\r\n"
            f"Authorization: Bearer {self.server.secret}\r\n\r\n".encode()
        )
        return made

    def held(self) -> tuple[int, int]:
        """Return how many sockets and threads the server's process has."""
        folder = Path(f"/proc/{self.server.process.pid}")
        files = [os.readlink(each) for each in list((folder / "fd").iterdir()) if each.is_symlink()]
        sockets = [each for each in files if each.startswith("socket:")]
        return len(sockets), len(list((folder / "task").iterdir()))

    def streams(self) -> int:
        """Return how many streams the server says that it has."""
        said = requests.get(f"{self.server.url}/metrics", timeout=30).text
        (line,) = [each for each in said.splitlines() if each.startswith("fraisier_streams ")]
        return int(float(line.split()[1]))

    def until_streams(self, number: int, seconds: float = 60) -> None:
        """Wait until the server has so many streams; asking often would keep it from its work."""
        deadline = time.monotonic() + seconds
        while (found := self.streams()) != number:
            assert time.monotonic() < deadline, f"{found} streams, not {number}"
            time.sleep(0.3)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fraisier, Server]]:
    """Return a server for all tests that do not stop it."""
    fraisier = project(tmp_path_factory.mktemp("served"))
    with serving(fraisier, "--without-worker") as server:
        yield fraisier, server


@pytest.fixture
def scene(served: tuple[Fraisier, Server]) -> Iterator[Scene]:
    """Return a server without streams, in whose records a deployment goes on."""
    with opened(*served) as found:
        yield found
        found.opened.close()
        found.until_streams(0)


def project(folder: Path) -> Fraisier:
    """Return the command in a folder with a configuration of nothing."""
    (folder / "fraises.yaml").write_text("fraises: {}\n")
    return Fraisier(folder)


@contextmanager
def opened(fraisier: Fraisier, server: Server) -> Iterator[Scene]:
    """Open the records of a server, with a deployment of a target that no other test has."""
    store = SqlStore.open(f"sqlite:///{fraisier.folder / 'fraisier.db'}")
    target = make_target(environment=f"e{next(_numbers)}")
    new = NewDeployment("deploy", target, "0" * 40, None, "rolling", "cli:me")
    with ExitStack() as streams:
        yield Scene(fraisier, server, store, begin(store, store.request(new).id), streams)
    store._engine.dispose()


def messages(lines: Any) -> Iterator[dict[str, str]]:
    """Yield the messages of a stream as they come; fail where none comes but heartbeats."""
    fields: dict[str, str] = {}
    deadline = time.monotonic() + MESSAGE_SECONDS
    for line in lines:
        assert time.monotonic() < deadline, "nothing but heartbeats"
        if line and not line.startswith(b":"):
            name, _, value = line.decode().partition(": ")
            fields[name] = value
        elif not line and fields:
            yield fields
            fields = {}
            deadline = time.monotonic() + MESSAGE_SECONDS


def ids(told: Sequence[dict[str, str]]) -> list[int]:
    return [int(each["id"]) for each in told if "id" in each]


def test_a_stream_that_a_stop_ends_goes_on_at_the_next_server_without_a_gap_i11(
    tmp_path: Path,
) -> None:
    fraisier = project(tmp_path)
    with (
        serving(fraisier, "--without-worker", executed=True) as server,
        opened(fraisier, server) as scene,
    ):
        stream = messages(scene.follow().iter_lines(1))
        first = [next(stream) for _ in range(3)]
        assert ids(first) == [1, 2]
        server.signal(signal.SIGTERM)
        rest = list(stream)
        assert json.loads(rest[-1]["data"]) == {"reason": "stopping"}
        assert server.process.wait(60) == 0
        scene.store.record(scene.running, [LINE] * 700)
        with serving(fraisier, "--without-worker", secret=server.secret) as another:
            scene.store.finish(scene.running, Status.SUCCESS, "")
            told = list(messages(scene.follow(2, another).iter_lines()))
    assert ids(told) == [*range(3, 705)]
    assert [each["event"] for each in told[-2:]] == ["deployment.completed", "end"]
    assert "Traceback" not in server.log.read_text()


def test_a_token_that_is_revoked_ends_its_stream_while_others_go_on_s3(scene: Scene) -> None:
    made = scene.fraisier("--json", "token", "create", "other", "--scope", "read").json
    other = Server(scene.server.process, scene.server.url, made["token"], scene.server.log)
    theirs, mine = (messages(scene.follow(2, to).iter_lines(1)) for to in (other, scene.server))
    assert (next(theirs)["retry"], next(mine)["retry"]) == ("2000", "2000")
    scene.store.revoke_token(made["id"], "cli:me")
    (last,) = list(theirs)
    assert json.loads(last["data"]) == {"reason": "unauthorized"}
    assert other.send("GET", "/fraises").status_code == 401
    scene.store.record(scene.running, [LINE])
    assert next(mine)["id"] == "3"


def test_a_command_that_follows_hears_the_stream_and_ends_with_the_deployment(
    scene: Scene,
) -> None:
    words = ("--server", scene.server.url, "logs", scene.running.id, "--follow")
    following = scene.fraisier.start(*words, FRAISIER_TOKEN=scene.server.secret)
    try:
        scene.until_streams(1)
        scene.store.record(scene.running, [LINE])
        assert following.stdout is not None
        assert select.select([following.stdout], [], [], MESSAGE_SECONDS)[0], "it prints nothing"
        assert following.stdout.readline() == "web-1 build: a line\n"
        scene.store.record(scene.running, [LINE] * 1500)
        scene.store.finish(scene.running, Status.SUCCESS, "")
        out, err = following.communicate(timeout=MESSAGE_SECONDS)
    finally:
        following.kill()
    assert (following.returncode, err) == (0, "")
    assert out.splitlines() == ["web-1 build: a line"] * 1500


def test_many_viewers_take_no_threads_and_leave_nothing_behind(scene: Scene) -> None:
    sockets, threads = scene.held()
    viewers = [scene.raw() for _ in range(100)]
    for viewer in viewers:
        assert viewer.recv(12) == b"HTTP/1.1 200"
    assert scene.held()[1] <= threads + 1, "one thread tells them all"
    assert scene.streams() == 100
    for viewer in viewers:
        viewer.close()
    scene.until_streams(0)
    until(lambda: scene.held() <= (sockets, threads), 60)


def test_a_viewer_that_stops_reading_is_cut_and_goes_on_where_it_was_i16(scene: Scene) -> None:
    slow = scene.raw(4096)
    told = b""
    while b"retry: " not in told:  # the server has let it in
        told += slow.recv(4096)
    for _ in range(20):
        scene.store.record(scene.running, [BIG] * 20)
    quick = messages(scene.follow(390).iter_lines())
    assert next(quick)["retry"]
    assert next(quick)["id"] == "391", "others are told as ever"
    scene.until_streams(1, CUT_SECONDS)  # both were let in before
    scene.store.record(scene.running, [BIG] * 20)
    told += read_to_end(slow)
    assert told.endswith(b'event: cut\ndata: {"reason":"slow"}\n\n\r\n0\r\n\r\n')
    scene.store.finish(scene.running, Status.SUCCESS, "")
    assert [*quick][-1]["event"] == "end"
    seen = [int(number) for number in re.findall(rb"\nid: (\d+)\n", told)]
    rest = ids(list(messages(scene.follow(seen[-1]).iter_lines(1 << 16))))
    assert seen + rest == [*range(1, 425)], "nothing was missed and nothing came twice"
    assert len(rest) >= 20, "it has nothing that came after the cut"


def read_to_end(viewer: socket.socket) -> bytes:
    """Read what a connection that is closed at the other end still has."""
    told, deadline = [], time.monotonic() + MESSAGE_SECONDS
    while part := viewer.recv(1 << 20):
        assert time.monotonic() < deadline, "it goes on for ever"
        told.append(part)
    return b"".join(told)


def test_a_server_with_streams_still_answers_at_once(scene: Scene) -> None:
    viewers = [scene.raw() for _ in range(200)]
    for viewer in viewers:
        assert viewer.recv(12) == b"HTTP/1.1 200"
        viewer.setblocking(False)
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.1):
            scene.store.record(scene.running, [LINE] * 10)

    def read() -> None:
        while not stop.is_set():
            for viewer in select.select(viewers, [], [], 0.1)[0]:
                viewer.recv(1 << 18)

    threads = [threading.Thread(target=work) for work in (write, read)]
    for thread in threads:
        thread.start()
    took = []
    try:
        for _ in range(20):
            begun = time.monotonic()
            assert scene.server.send("GET", "/deployments").status_code == 200
            took.append(time.monotonic() - begun)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert sorted(took)[10] < 2, took
