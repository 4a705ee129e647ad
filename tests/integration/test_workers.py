"""Many workers on one queue: PostgreSQL holds it, JetStream wakes them, real hosts are changed."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fraisier.lab import Lab
from fraisier.store.migrate import migrate
from support.databases import NatsServer, PostgresServer
from support.many import Many, Worker, in_order, working
from support.polling import poll
from support.repository import Repository
from support.server import Server, serving
from support.target import until

LIMIT_SECONDS = 300
#: How many services there are, how many versions of each, after how many deployments a worker dies,
#: and how many the other one works on at once: few in each run of the tests, many in the slow one.
FEW, MANY = (3, 2, 1, 1), (8, 5, 12, 3)


@pytest.fixture
def many(
    request: pytest.FixtureRequest,
    lab: Lab,
    postgres_server: PostgresServer,
    nats_server: NatsServer,
    tmp_path: Path,
) -> Iterator[Many]:
    """Return so many small services, three else, with PostgreSQL and NATS in the settings."""
    folder = tmp_path / "project"
    folder.mkdir()
    repository = Repository.create(lab.git / f"many-{time.time_ns()}", "app", tmp_path / "work")
    made = Many(lab, repository, folder, getattr(request, "param", 3))
    settings = {
        "FRAISIER_DATABASE_URL": postgres_server.new_database(),
        "FRAISIER_NATS_URL": nats_server.url,
    }
    made.fraisier = replace(made.fraisier, environment=settings)
    migrate(settings["FRAISIER_DATABASE_URL"])
    yield made
    made.wipe()


def queue(server: Server) -> dict[str, Any]:
    """Return the queue as the API shows it."""
    answer = server.send("GET", "/queue")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def names(server: Server) -> set[str]:
    """Return the names of the workers that live and take from the queue."""
    workers = queue(server)["workers"]
    return {each["name"] for each in workers if each["alive"] and each["kind"] != "command"}


def ask_for(server: Server, fraise: str, version: str) -> str:
    """Request a deployment and return its id."""
    wish = {"fraise": fraise, "environment": "production", "version": version}
    answer = server.send("POST", "/deployments", wish)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def ended(server: Server) -> dict[str, dict[str, Any]]:
    """Return the deployments that have ended, by id."""
    answer = server.send("GET", "/deployments?limit=1000")
    return {each["id"]: each for each in answer.json()["deployments"] if each["completed_at"]}


def started(server: Server, deployment_id: str) -> list[dict[str, Any]]:
    """Return the events that say that a process began a deployment."""
    events = server.send("GET", f"/deployments/{deployment_id}/events").json()["events"]
    assert [event["sequence"] for event in events] == [*range(1, len(events) + 1)], "I11"
    return [event for event in events if event["type"] == "deployment.started"]


@pytest.mark.parametrize(
    ("many", "versions", "before", "at_once"),
    [
        pytest.param(
            *FEW,
            id="few",
            marks=[
                pytest.mark.slow,
                pytest.mark.cpu_seconds(40, reason="two workers, a server, six deployments"),
            ],
        ),
        pytest.param(
            *MANY,
            id="many",
            marks=[
                pytest.mark.slow,
                pytest.mark.cpu_seconds(150, reason="forty deployments of eight services"),
            ],
        ),
    ],
    indirect=["many"],
)
def test_two_workers_share_deployments_and_one_of_them_dies(
    many: Many, versions: int, before: int, at_once: int
) -> None:
    """I3, I4, I6, I10: all end, each is attempted by one worker, none twice, and in order."""
    shas = [many.repository.commit("good", {"n": str(n)}) for n in range(versions)]
    with (
        serving(many.fraisier, "--without-worker") as server,
        working(many.fraisier, "one", "--concurrency", str(at_once)) as one,
        working(many.fraisier, "two", "--concurrency", "3", executed=True) as two,
    ):
        until(lambda: names(server) == {"one", "two"}, 60)
        asked = {(name, sha): ask_for(server, name, sha) for sha in shas for name in many.names}
        poll(lambda: len(ended(server)) >= before, LIMIT_SECONDS)
        poll(lambda: killed_at_work(server, two), LIMIT_SECONDS)
        killed = time.monotonic()
        poll(lambda: not _runs(server, "two"), 60)
        recovered = time.monotonic() - killed
        assert recovered < 60, "I3"
        released: set[str] = set()
        poll(lambda: _all_ended(server, len(asked), released), LIMIT_SECONDS)
        done = ended(server)
        assert set(done) == set(asked.values())
        lost = [each for each in done.values() if each["status"] == "interrupted"]
        assert 1 <= len(lost) <= 3, "what the dead worker had under way"
        assert {each["status"] for each in done.values()} == {"success", "interrupted"}
        for deployment_id in done:
            assert len(started(server, deployment_id)) == 1, f"I6: {deployment_id}"
        marks = many.marks()
        for name in many.names:
            check_order(many, name, [done[asked[name, sha]] for sha in shas], marks[name])
        assert one.process.poll() is None
    print(f"recovered={recovered:.1f}s", *(each["reason"] for each in lost), sep="\n")
    assert "Traceback" not in one.log.read_text() + server.log.read_text()


def killed_at_work(server: Server, worker: Worker) -> bool:
    """Kill the worker `two` while it carries out something; it is stopped while that is seen."""
    worker.process.send_signal(signal.SIGSTOP)
    if not _runs(server, "two"):
        worker.process.send_signal(signal.SIGCONT)
        return False
    worker.kill()
    return True


def check_order(
    many: Many, name: str, mine: Sequence[dict[str, Any]], built: Sequence[str]
) -> None:
    """The deployments of a service were one after another, as they were asked for."""
    began = [each["started_at"] for each in mine]
    assert began == sorted(began), f"I10: {name}"
    for before, after in pairwise(mine):
        assert before["completed_at"] <= after["started_at"], f"I4: {name}"
    assert len(set(built)) == len(built), f"built twice: {name}"
    assert in_order([each["version"] for each in mine], built), f"I10: {name}"
    good = [each["version"] for each in mine if each["status"] == "success"]
    assert set(good) <= set(built)
    if good and mine[-1]["status"] == "success":
        assert many.serves(name) == good[-1], "I14"


def _running(server: Server, name: str) -> set[str]:
    """Return what a worker runs."""
    running = [each for each in queue(server)["running"] if each["worker"]]
    return {each["id"] for each in running if each["worker"]["name"] == name}


def _all_ended(server: Server, asked: int, released: set[str]) -> bool:
    """Return whether so many have ended; a target that an interruption holds is released."""
    done = ended(server)
    for each in done.values():
        if each["status"] == "interrupted" and each["id"] not in released:
            path = f"/fraises/{each['fraise']}/environments/production/unlock"
            assert server.send("POST", path, {"reason": "looked"}).status_code == 200
            released.add(each["id"])
    return len(done) == asked


def _runs(server: Server, name: str) -> int:
    return len(_running(server, name))


@pytest.mark.slow
@pytest.mark.cpu_seconds(80, reason="sixteen deployments and six workers, one after another")
@pytest.mark.parametrize("many", [8], indirect=True)
def test_workers_are_restarted_five_times_under_load_and_nothing_is_lost(many: Many) -> None:
    """Row "SIGTERM during rolling restart" of the fault matrix: 0 lost, 0 interrupted."""
    versions = [many.repository.commit("good", {"n": str(n)}) for n in range(2)]
    with serving(many.fraisier, "--without-worker") as server, ExitStack() as stack:
        running = stack.enter_context(working(many.fraisier, "first", "--concurrency", "2"))
        asked = [ask_for(server, name, version) for version in versions for name in many.names]
        for turn in range(5):
            name = f"turn-{turn}"
            following = stack.enter_context(working(many.fraisier, name, "--concurrency", "2"))
            until(lambda name=name: name in names(server), 30)
            assert running.stop() == 0, running.log.read_text()
            assert "Traceback" not in running.log.read_text()
            running = following
        poll(lambda: len(ended(server)) == len(asked), LIMIT_SECONDS)
        done = ended(server)
        assert {each["status"] for each in done.values()} == {"success"}, done
        assert all(len(started(server, each)) == 1 for each in asked)
    assert many.marks() == dict.fromkeys(many.names, versions)


def test_a_request_reaches_an_idle_worker_at_once_also_when_nats_was_away(
    many: Many, nats_server: NatsServer
) -> None:
    """I12: with NATS off deployments go on; when it is back, wake-ups do."""
    sha = many.repository.commit("good")
    with (
        serving(many.fraisier, "--without-worker") as server,
        working(many.fraisier, "one", "--label", "region=eu"),
        working(many.fraisier, "two") as two,
    ):
        until(lambda: names(server) == {"one", "two"}, 60)
        nats_server.kill()
        try:
            until(lambda: _nats(server) == "degraded", 60)
            first = server.ended(ask_for(server, "s0", sha))
            assert first["status"] == "success", first["reason"]
            assert server.send("GET", "/health").status_code == 200
        finally:
            nats_server.start()
        until(lambda: _nats(server) == "ok", 60)
        until(lambda: "NATS is there" in two.log.read_text().rpartition("not there")[2], 60)
        second = server.ended(ask_for(server, "s1", sha))
        assert second["status"] == "success", second["reason"]
        assert "s0 production" not in (many.fraisier.folder / "worker-one.log").read_text()


def _nats(server: Server) -> str:
    return str(server.send("GET", "/health").json()["parts"]["nats"]["status"])
