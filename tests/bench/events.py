"""How many events a second are recorded, and how far the relay is behind at 1,000 a second.

The peer, measured in the same run on the same database, is a bare INSERT of the same rows in the
same batches: no lock, no sequence, no progress. Writes events.json: a list of {work, database,
ours_per_s, peer_per_s, ratio} and {work, database, events, lag_p50_ms, lag_p95_ms}.

Usage: python tests/bench/events.py [sqlite] [postgresql] [mysql]
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from sqlalchemy import insert  # noqa: E402

from fraisier.domain.deployment import Deployment  # noqa: E402
from fraisier.domain.event import Fact  # noqa: E402
from fraisier.domain.ids import new_id, now  # noqa: E402
from fraisier.domain.notice import Notice  # noqa: E402
from fraisier.domain.ports import NewDeployment  # noqa: E402
from fraisier.domain.worker import NewWorker  # noqa: E402
from fraisier.engine.relay import Relay  # noqa: E402
from fraisier.store import SqlStore  # noqa: E402
from fraisier.store.migrate import migrate  # noqa: E402
from fraisier.store.tables import events  # noqa: E402
from support.databases import MariadbServer, PostgresServer  # noqa: E402
from support.fakes import make_target  # noqa: E402

WRITERS, BATCH, BATCHES, ROUNDS = 4, 10, 100, 5
#: Events a second that the relay is followed at, and for how many seconds.
PACE, SECONDS = 1000, 10
FACTS = [Fact("runner.task_ok", "web-1", {"task": "a task", "seconds": 0.1})] * BATCH


class Me:
    """A worker's place."""

    def __init__(self, store: SqlStore) -> None:
        self.id = store.join(NewWorker("bench", "serve", {}, WRITERS), 3600)

    def valid(self) -> bool:
        return True


class Ear:
    """A sink that notes when it heard what."""

    name = "ear"

    def __init__(self) -> None:
        self.lags: list[float] = []

    def look(self, state: Mapping[str, Any]) -> tuple[Mapping[str, Any], int | None]:
        return state, None

    def publish(self, notices: Sequence[Notice]) -> int:
        at = now()
        self.lags += [(at - each.at) / 1e3 for each in notices if each.event_type.startswith("run")]
        return len(notices)


def begun(store: SqlStore, me: Me) -> list[Deployment]:
    """Return one running deployment for each writer."""
    found = []
    for number in range(WRITERS):
        target = make_target(fraise=f"f_{new_id('x')[2:]}_{number}")
        asked = store.request(NewDeployment("deploy", target, "0" * 40, None, "rolling", "cli:me"))
        held = store.claim(asked.id, me.id)
        assert held is not None
        found.append(held)
    return found


def per_second(work: Any, of: Sequence[Any]) -> float:
    """Return events a second that `work` writes, one thread for each of `of`."""
    began = time.monotonic()
    with ThreadPoolExecutor(len(of)) as pool:
        for done in [pool.submit(work, each) for each in of]:
            done.result()
    return len(of) * BATCH * BATCHES / (time.monotonic() - began)


def recorded(store: SqlStore, me: Me) -> dict[str, Any]:
    """Measure recording against a bare INSERT, turn and turn about."""
    ours, peer = [], []

    def record(held: Deployment) -> None:
        for _ in range(BATCHES):
            store.record(held, FACTS)

    def bare(held: Deployment) -> None:
        for number in range(BATCHES):
            first = 1_000_000 + number * BATCH
            rows = [
                {"deployment_id": held.id, "sequence": first + n, "id": new_id("evt"), "at": now(),
                 "type": fact.type, "host": fact.host, "data": fact.data}
                for n, fact in enumerate(FACTS)
            ]  # fmt: skip
            with store._transaction() as connection:
                connection.execute(insert(events), rows)

    for _ in range(ROUNDS):
        ours.append(per_second(record, begun(store, me)))
        peer.append(per_second(bare, begun(store, me)))
    mine, theirs = statistics.median(ours), statistics.median(peer)
    return {"work": "record events", "ours_per_s": round(mine), "peer_per_s": round(theirs),
            "ratio": round(mine / theirs, 2)}  # fmt: skip


def relayed(store: SqlStore, me: Me) -> dict[str, Any]:
    """Measure how long after an event was recorded a sink has it."""
    ear, stop = Ear(), threading.Event()
    held = begun(store, me)

    def write(deployment: Deployment) -> None:
        pause, due = WRITERS * BATCH / PACE, time.monotonic()
        while not stop.is_set():
            store.record(deployment, FACTS)
            due += pause
            stop.wait(max(0.0, due - time.monotonic()))

    with Relay(store, [ear], me), ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write, each) for each in held]
        time.sleep(SECONDS)
        stop.set()
        for writer in writers:
            writer.result()
    cuts = statistics.quantiles(ear.lags, n=100)
    return {"work": f"relay {PACE} events/s", "events": len(ear.lags),
            "lag_p50_ms": round(cuts[49]), "lag_p95_ms": round(cuts[94])}  # fmt: skip


def main(kinds: Sequence[str]) -> None:
    """Measure each kind of database, on a server of its own, and write what was seen."""
    results = []
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        for kind in kinds:
            store = SqlStore.open(new_database(kind, folder, stack))
            stack.callback(store._engine.dispose)
            me = Me(store)
            for work in (relayed, recorded):
                results.append({"database": kind, **work(store, me)})
                print(json.dumps(results[-1]), flush=True)
    (HERE / "events.json").write_text(json.dumps(results, indent=1) + "\n")


def new_database(kind: str, folder: str, stack: ExitStack) -> str:
    """Return the URL of an empty database with our tables."""
    url = f"sqlite:///{folder}/bench.db"
    if kind != "sqlite":
        server = {"postgresql": PostgresServer, "mysql": MariadbServer}[kind]()
        stack.callback(server.close)
        url = server.new_database()
    migrate(url)
    return url


if __name__ == "__main__":
    main(sys.argv[1:] or ["sqlite", "postgresql"])
