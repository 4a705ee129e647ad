"""How far 200 viewers are behind a deployment with 1,000 events a second, and what they cost.

The server is a process of its own, and so are the viewers: one loop over all their sockets. Streams
are measured twice in the same run: on kept connections, as the server has them, and with a thread
for each, which is the peer. Then how long it takes to accept a deployment: by one client, by eight.
Writes streams.json: a list of {work, ...}; lags and times are in milliseconds. `load_1m` is the
machine's load: lags mean little where it is above the number of processors.

Usage: python tests/bench/streams.py
"""

from __future__ import annotations

import json
import multiprocessing
import os
import selectors
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import requests  # noqa: E402

from fraisier.api import Services, create_app, http_server  # noqa: E402
from fraisier.domain.deployment import Status  # noqa: E402
from fraisier.domain.event import Fact  # noqa: E402
from fraisier.domain.ids import now  # noqa: E402
from fraisier.domain.ports import NewDeployment  # noqa: E402
from fraisier.domain.token import Scope  # noqa: E402
from fraisier.engine.deployments import Deployments  # noqa: E402
from fraisier.engine.preview import Previews  # noqa: E402
from fraisier.engine.queue import Stop  # noqa: E402
from fraisier.engine.tokens import Tokens  # noqa: E402
from fraisier.store import SqlStore  # noqa: E402
from support.fakes import (  # noqa: E402
    Inventories,
    Repositories,
    ScriptedRunner,
    begin,
    make_catalogue,
    make_target,
)
from support.server import free_port  # noqa: E402

VIEWERS, PACE, BATCH, SECONDS, WARM_UP = 200, 1000, 10, 10, 3
REQUESTS, CLIENTS = 200, 8
FACT = "runner.task_ok"


def serve(url: str, port: int, threads: bool) -> None:
    """Serve the API on a store, in a process of its own."""
    if threads:
        http_server.THREADS = VIEWERS + http_server.THREADS
        http_server.KEEP = "nobody.asks.for.this"
    store, stop = SqlStore.open(url), Stop()
    catalogue = make_catalogue(make_target())
    deployments = Deployments(catalogue, store, Repositories(), Inventories())
    previews = Previews(catalogue, store, deployments, ScriptedRunner)
    services = Services(catalogue, store, Tokens(store), deployments, previews, stop=stop)
    http_server.Server.listening(create_app(services), "127.0.0.1", port).run()


def watch(port: int, path: str, secret: str, told: Any) -> None:
    """Look on with all viewers in one loop; the last word is each event's lag in milliseconds."""
    chooser, lags, ends = selectors.DefaultSelector(), [], 0
    ask = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
    for _ in range(VIEWERS):
        viewer = socket.create_connection(("127.0.0.1", port))
        viewer.sendall(f"{ask}Authorization: Bearer {secret}\r\n\r\n".encode())
        chooser.register(viewer, selectors.EVENT_READ, bytearray())
    told.send("connected")
    while ends < VIEWERS:
        for key, _ in chooser.select():
            part = key.fileobj.recv(1 << 18)
            at = now()
            lags += [(at - int(each[:16])) / 1e3 for each in part.split(b'"sent":')[1:]
                     if len(each) > 16]  # fmt: skip
            if not part:
                chooser.unregister(key.fileobj)
                ends += 1
    told.send(lags)


@contextmanager
def serving(url: str, threads: bool) -> Iterator[tuple[int, int]]:
    """Yield the port and the process id of a server."""
    port = free_port()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=serve, args=(url, port, threads), daemon=True)
    server.start()
    try:
        while True:
            try:
                requests.get(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield port, server.pid or 0
    finally:
        server.terminate()
        server.join()


def followed(url: str, store: SqlStore, secret: str, threads: bool) -> dict[str, Any]:
    """Return how far viewers are behind, what each costs, and how long a request then takes."""
    new = NewDeployment("deploy", make_target(fraise=f"f{now()}"), "0" * 40, None, "rolling", "me")
    held = begin(store, store.request(new).id)
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    with serving(url, threads) as (port, process):
        before = resident(process)
        arguments = (port, f"/api/v1/deployments/{held.id}/events", secret, theirs)
        watcher = context.Process(target=watch, args=arguments, daemon=True)
        watcher.start()
        mine.recv()
        time.sleep(WARM_UP)
        begun = cpu(process)
        answers = write(store, held, port)
        spent, most = cpu(process) - begun, resident(process)
        store.finish(held, Status.SUCCESS, "the bench is over")
        lags = mine.recv()
        watcher.join()
    expected = VIEWERS * PACE * SECONDS
    cuts = statistics.quantiles(lags, n=100)
    load = round(os.getloadavg()[0], 1)
    return {"viewers": VIEWERS, "events_per_s": PACE, "load_1m": load,
            "heard": round(len(lags) / expected, 3),
            "lag_p50_ms": round(cuts[49]), "lag_p95_ms": round(cuts[94]),
            "kib_per_viewer": round((most - before) / VIEWERS),
            "cpu_s_per_s": round(spent / SECONDS, 2),
            "request_p95_ms": round(statistics.quantiles(answers, n=20)[18])}  # fmt: skip


def write(store: SqlStore, held: Any, port: int) -> list[float]:
    """Record events at the pace, and return how long requests take beside that."""
    stop, answers = threading.Event(), []

    def ask() -> None:
        while not stop.wait(0.1):
            begun = time.monotonic()
            requests.get(f"http://127.0.0.1:{port}/health", timeout=30)
            answers.append(1e3 * (time.monotonic() - begun))

    asker = threading.Thread(target=ask)
    asker.start()
    due = time.monotonic()
    for _ in range(PACE * SECONDS // BATCH):
        data = {"task": "a task of a usual name", "seconds": 0.1, "sent": now()}
        store.record(held, [Fact(FACT, "web-1", data)] * BATCH)
        due += BATCH / PACE
        time.sleep(max(0.0, due - time.monotonic()))
    stop.set()
    asker.join()
    return answers


def accepted(url: str, secret: str, clients: int) -> dict[str, Any]:
    """Return how long it takes to accept a deployment."""
    body = {"fraise": "api", "environment": "production", "version": "v1"}

    def ask(session: requests.Session) -> float:
        begun = time.monotonic()
        headers = {"Authorization": f"Bearer {secret}"}
        answer = session.post(where, json=body, headers=headers, timeout=60)
        assert answer.status_code == 202, answer.text
        return 1e3 * (time.monotonic() - begun)

    def work(_: int) -> list[float]:
        with requests.Session() as session:
            return [ask(session) for _ in range(REQUESTS // clients)]

    with serving(url, False) as (port, _), ThreadPoolExecutor(clients) as pool:
        where = f"http://127.0.0.1:{port}/api/v1/deployments"
        took = [each for done in pool.map(work, range(clients)) for each in done]
    cuts = statistics.quantiles(took, n=100)
    return {"work": f"accept a deployment, {clients} at once", "requests": len(took),
            "p50_ms": round(cuts[49], 1), "p95_ms": round(cuts[94], 1)}  # fmt: skip


def resident(process: int) -> int:
    """Return the memory of a process, in KiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def cpu(process: int) -> float:
    """Return the seconds of a processor that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(url: str, store: SqlStore, secret: str) -> Iterator[dict[str, Any]]:
    """Yield each result."""
    peer = followed(url, store, secret, threads=True)
    yield {"work": "streams, a thread each (peer)", **peer}
    ours = followed(url, store, secret, threads=False)
    ratio = round(ours["lag_p95_ms"] / peer["lag_p95_ms"], 2)
    yield {"work": "streams on kept connections", **ours, "ratio_p95": ratio}
    for clients in (1, CLIENTS):
        yield accepted(url, secret, clients)


def main(_: Sequence[str]) -> None:
    """Measure, and write what was seen."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.db"
        store = SqlStore.open(url)
        _token, secret = Tokens(store).create("bench", Scope.ADMIN, 1, "cli:me")
        for result in measured(url, store, secret):
            results.append(result)
            print(json.dumps(result), flush=True)
    (HERE / "streams.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
