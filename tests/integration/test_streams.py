"""Logs followed live on a real server: resumed, cut, capped, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Scene:
    """A server, its records, and a deployment that goes on in them."""

    fraisier: Fraisier
    server: Server
    store: SqlStore
    running: Deployment

    def follow(self, seen: int = 0, server: Server | None = None) -> requests.Response:
        """Begin a stream of the events after one."""
        to = server or self.server
        headers = {
            "Authorization": f"Bearer {to.secret}",
            "Accept": "text/event-stream",
            **({"Last-Event-ID": str(seen)} if seen else {}),
        }
        where = f"{to.url}/api/v1/deployments/{self.running.id}/events"
        answer = requests.get(where, headers=headers, stream=True, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer

    def raw(self, buffer: int | None = None) -> socket.socket:
        """Begin a stream on a socket, with a receive buffer of so many bytes."""
        made = socket.socket()
        if buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        made.settimeout(60)
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


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Return a server in whose records a deployment goes on."""
    (tmp_path / "fraises.yaml").write_text("fraises: {}\n")
    fraisier = Fraisier(tmp_path)
    with serving(fraisier, "--without-worker") as server:
        store = SqlStore.open(f"sqlite:///{tmp_path / 'fraisier.db'}")
        new = NewDeployment("deploy", make_target(), "0" * 40, None, "rolling", "cli:me")
        yield Scene(fraisier, server, store, begin(store, store.request(new).id))
        store._engine.dispose()


def messages(lines: Any) -> Iterator[dict[str, str]]:
    """Yield the messages of a stream as they come."""
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(b":"):
            name, _, value = line.decode().partition(": ")
            fields[name] = value
        elif not line and fields:
            yield fields
            fields = {}


def ids(told: Sequence[dict[str, str]]) -> list[int]:
    return [int(each["id"]) for each in told if "id" in each]


def test_a_stream_that_a_stop_ends_goes_on_at_the_next_server_without_a_gap_i11(
    scene: Scene,
) -> None:
    stream = messages(scene.follow().iter_lines(1))
    first = [next(stream) for _ in range(3)]
    assert ids(first) == [1, 2]
    scene.server.signal(signal.SIGTERM)
    rest = list(stream)
    assert json.loads(rest[-1]["data"]) == {"reason": "stopping"}
    assert scene.server.process.wait(30) == 0
    scene.store.record(scene.running, [LINE] * 700)
    with serving(scene.fraisier, "--without-worker", secret=scene.server.secret) as another:
        scene.store.finish(scene.running, Status.SUCCESS, "")
        told = list(messages(scene.follow(2, another).iter_lines()))
    assert ids(told) == [*range(3, 705)]
    assert [each["event"] for each in told[-2:]] == ["deployment.completed", "end"]
    assert "Traceback" not in scene.server.log.read_text()


def test_a_token_that_is_revoked_ends_its_stream_while_others_go_on_s3(scene: Scene) -> None:
    made = scene.fraisier("--json", "token", "create", "other", "--scope", "read").json
    other = Server(scene.server.process, scene.server.url, made["token"], scene.server.log)
    theirs, mine = (messages(scene.follow(2, to).iter_lines(1)) for to in (other, scene.server))
    assert (next(theirs)["retry"], next(mine)["retry"]) == ("2000", "2000")
    scene.store.revoke_token(made["id"], "cli:me")
    begun = time.monotonic()
    (last,) = list(theirs)
    took = time.monotonic() - begun
    assert json.loads(last["data"]) == {"reason": "unauthorized"}
    assert took < 5, "a second, on a machine that has time"
    assert other.send("GET", "/fraises").status_code == 401
    scene.store.record(scene.running, [LINE])
    assert next(mine)["id"] == "3"


def test_a_command_that_follows_hears_the_stream_and_ends_with_the_deployment(
    scene: Scene,
) -> None:
    words = ("--server", scene.server.url, "logs", scene.running.id, "--follow")
    following = scene.fraisier.start(*words, FRAISIER_TOKEN=scene.server.secret)
    with following:
        until(lambda: scene.streams() == 1, 60)
        scene.store.record(scene.running, [LINE])
        assert following.stdout is not None
        assert following.stdout.readline() == "web-1 build: a line\n"
        scene.store.record(scene.running, [LINE] * 1500)
        scene.store.finish(scene.running, Status.SUCCESS, "")
        out, err = following.communicate(timeout=60)
    assert (following.returncode, err) == (0, "")
    assert out.splitlines() == ["web-1 build: a line"] * 1500
    until(lambda: scene.streams() == 0, 30)


def test_many_viewers_take_no_threads_and_leave_nothing_behind(scene: Scene) -> None:
    sockets, threads = scene.held()
    viewers = [scene.raw() for _ in range(100)]
    for viewer in viewers:
        assert viewer.recv(12) == b"HTTP/1.1 200"
    assert scene.held()[1] <= threads + 1, "one thread tells them all"
    assert scene.streams() == 100
    for viewer in viewers:
        viewer.close()
    until(lambda: scene.streams() == 0, 30)
    until(lambda: scene.held() <= (sockets, threads), 30)


def test_a_viewer_that_stops_reading_is_cut_and_goes_on_where_it_was_i16(scene: Scene) -> None:
    slow = scene.raw(4096)
    big = Fact("log.line", "web-1", {"text": "x" * 20_000, "step": "build"})
    for _ in range(50):
        scene.store.record(scene.running, [big] * 20)
    quick = messages(scene.follow(990).iter_lines())
    assert next(quick)["retry"]
    assert next(quick)["id"] == "991", "others are told as ever"
    until(lambda: scene.streams() == 1, 90)
    assert b'event: cut\ndata: {"reason":"slow"}' in last_part(slow)
    slow.close()
    scene.store.finish(scene.running, Status.SUCCESS, "")
    assert [*quick][-1]["event"] == "end"


def last_part(viewer: socket.socket) -> bytes:
    """Read what is there to its end, and return the last of it."""
    told = b""
    while part := viewer.recv(1 << 20):
        told = told[-4096:] + part
    return told


def test_a_server_with_streams_still_answers_at_once(scene: Scene) -> None:
    viewers = [scene.raw() for _ in range(200)]
    for viewer in viewers:
        assert viewer.recv(12) == b"HTTP/1.1 200"
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.02):
            scene.store.record(scene.running, [LINE] * 10)

    def read() -> None:
        while not stop.is_set():
            for viewer in viewers:
                viewer.setblocking(False)
                try:
                    viewer.recv(1 << 18)
                except BlockingIOError:
                    stop.wait(0.001)

    threads = [threading.Thread(target=work) for work in (write, read)]
    for thread in threads:
        thread.start()
    took = []
    for _ in range(20):
        begun = time.monotonic()
        assert scene.server.send("GET", "/deployments").status_code == 200
        took.append(time.monotonic() - begun)
    stop.set()
    for thread in threads:
        thread.join()
    for viewer in viewers:
        viewer.close()
    assert sorted(took)[10] < 2, took
