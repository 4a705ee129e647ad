"""`fraisier worker` as a process: it says who it is, is seen by others, and stops cleanly."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command import Fraisier
from support.databases import NatsServer
from support.many import working
from support.server import free_port, serving
from support.target import until


@pytest.fixture
def project(tmp_path: Path) -> Fraisier:
    """Return the command in a folder with a configuration that has nothing in it."""
    (tmp_path / "fraises.yaml").write_text("fraises: {}\n")
    return Fraisier(tmp_path)


def seen(project: Fraisier) -> dict[str, dict[str, object]]:
    """Return the workers that live, by name, as a command alone sees them."""
    return {
        each["name"]: each
        for each in project("--json", "queue").json["workers"]
        if each["alive"] and each["kind"] != "command"
    }


def test_it_says_who_it_is_is_seen_and_leaves(project: Fraisier) -> None:
    options = ("--label", "region=eu", "--concurrency", "2")
    with working(project, "mine", *options, executed=True) as worker:
        until(lambda: seen(project), 60)
        assert set(seen(project)) == {"mine"}
        mine = seen(project)["mine"]
        assert (mine["kind"], mine["labels"], mine["at_once"]) == ("worker", {"region": "eu"}, 2)
        said = worker.log.read_text()
        assert "mine takes targets of region eu, 2 at once, from sqlite:///" in said
        assert "polling" in said
        assert str(mine["id"]) in said
        assert worker.stop() == 0
    assert seen(project) == {}
    assert "Traceback" not in worker.log.read_text()


def test_a_worker_that_is_killed_is_not_among_those_who_live(project: Fraisier) -> None:
    with working(project, "mine") as worker:
        until(lambda: seen(project), 60)
        worker.kill()
        assert seen(project) == {}


def test_a_pause_is_the_same_alone_and_over_the_server(project: Fraisier) -> None:
    with serving(project, "--name", "api") as server:
        paused = project("--json", "queue", "pause", "--reason", "moving").json
        assert server.send("GET", "/queue").json()["paused"] == paused
        far = {"FRAISIER_SERVER": server.url, "FRAISIER_TOKEN": server.secret}
        shown = project("queue", **far)
        assert "by cli:" in shown.out
        assert "moving" in shown.out
        assert "api" in shown.out
        assert project("queue", "drain", "--timeout", "5", **far).code == 0
        assert project("queue", "resume", **far).code == 0
        assert project("queue", "resume").code == 8


@pytest.mark.parametrize(
    "words",
    [
        ("--server", "http://127.0.0.1:9", "worker"),
        ("worker", "--label", "zone=eu"),
        ("worker", "--label", "region=a b"),
        ("worker", "--concurrency", "0"),
    ],
)
def test_what_means_nothing_is_refused(project: Fraisier, words: tuple[str, ...]) -> None:
    refused = project(*words)
    assert refused.code == 2, refused.said
    assert "Traceback" not in refused.err


def test_doctor_says_whether_nats_answers(project: Fraisier, nats_server: NatsServer) -> None:
    good = project("--json", "doctor", FRAISIER_NATS_URL=nats_server.url).json["checks"]
    assert {"name": "nats", "ok": True, "detail": "it answers"}.items() <= of(good, "nats").items()
    bad = project("doctor", FRAISIER_NATS_URL=f"nats://127.0.0.1:{free_port()}")
    assert bad.code == 1
    assert "✗ nats: NATS is not there" in bad.out
    assert "FRAISIER_NATS_URL" in bad.out


def of(checks: list[dict[str, object]], name: str) -> dict[str, object]:
    """Return one check by its name."""
    (found,) = [check for check in checks if check["name"] == name]
    return found
