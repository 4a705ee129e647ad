"""Whatever a host answers, a deployment ends, its records are plain, and others go on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fraisier.cli.live import Live
from fraisier.domain.catalogue import Catalogue, Fraise
from fraisier.domain.deployment import Status
from fraisier.domain.host_answer import CODE, FIELDS
from fraisier.domain.outcome import HostOutcome
from fraisier.domain.plan import Work
from fraisier.domain.worker import NewWorker
from fraisier.engine import recovery
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.hosts import Hosts
from fraisier.engine.looks import Looks
from fraisier.engine.recovery import Recovery
from fraisier.engine.views import event_json
from fraisier.engine.worker import Worker
from fraisier.runner.translation import RESULT_FIELDS
from fraisier.store import SqlStore
from support.fakes import PROVIDER, Inventories, Repositories, joined, make_target
from support.foreign import ANY_JSON, HOSTILE, OBEYED, Answering, documented, event, nested
from support.records import open_records

RELEASE = {"id": "r1", "version": "v1", "status": "good", "deployment": "dep_1", "good": True}
GOOD = {
    "changed": True, "switched": True, "release": RELEASE, "previous": None, "fence": 1,
    "steps": [{"name": "build", "seconds": 1.0, "changed": True}],
    "gate": {"type": "http", "passed": True, "attempts": 1, "seconds": 0.1, "detail": "200"},
    "log": [{"step": "build", "text": "ok"}],
}  # fmt: skip
PROBED = {
    "changed": False, "release": RELEASE, "running": "r1", "releases": [RELEASE],
    "fence": {"number": 1, "installation": "x", "deployment": "y"}, "sealed": True,
}  # fmt: skip
Answer = Callable[[Work, str], Sequence[dict[str, Any]]]


class World:
    """Two targets on scripted hosts; `answer` says what each host says."""

    def __init__(self, store: SqlStore, answer: Answer, *hosts: str) -> None:
        self.store = store
        targets = [make_target(*hosts or ("web-1",), environment=name) for name in ("a", "b")]
        fraise = Fraise("api", "api", "", {target.environment: target for target in targets})
        self.catalogue = Catalogue("fraises.yaml", {"api": fraise}, {"bare_metal": PROVIDER})
        self.runner = Answering(answer)
        self.member = joined(store)
        self.deployments = Deployments(self.catalogue, store, Repositories(), Inventories())
        self.recovery = Recovery(
            lambda: self.catalogue, store, lambda: self.runner, lambda: self.member
        )
        self.worker = Worker(self.catalogue, store, self.runner, self.member, self.recovery)

    def deploy(self, environment: str = "a", **more: Any) -> Any:
        """Deploy a version and return how that ended."""
        if self.store.held("api", environment):
            self.store.unlock("api", environment, "test", "test")
        wish = Wish("api", environment, "cli:test", version="v1", **more)
        mine = self.deployments.deploy(wish, self.member.id)
        return self.worker.carry_out(mine, lambda _: None, lambda: False, lambda _: None)

    def abandon(self, environment: str = "a") -> str:
        """Leave a deployment whose worker died in the middle; return its id."""
        wish = Wish("api", environment, "cli:test", version="v1")
        dead = self.store.join(NewWorker("dead", "serve", {}, 4), 30)
        asked = self.deployments.deploy(wish, dead)
        assert self.store.claim(asked.id, dead)
        self.store.leave(dead)
        return asked.id


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    return open_records(tmp_path_factory.mktemp("answers") / "test.db")


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask silent hosts once."""
    monkeypatch.setattr(recovery, "PROBE_SECONDS", 3.2)
    monkeypatch.setattr(recovery, "PAUSE_SECONDS", 0.2)


def require_plain(value: Any, level: int = 0) -> None:
    """Fail unless every database and terminal takes a value."""
    assert level < 90
    if isinstance(value, str):
        assert not OBEYED.search(value)
    elif isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, int):
        assert -(2**63) <= value < 2**63
    elif isinstance(value, dict):
        for part in (*value, *value.values()):
            require_plain(part, level + 1)
    elif isinstance(value, list | tuple):
        for part in value:
            require_plain(part, level + 1)


def require_shown(world: World, deployment_id: str) -> None:
    """Fail unless what was recorded of a deployment is plain and the CLI can show it."""
    looks = Looks(lambda: world.catalogue, world.store)
    shown = looks.deployment(deployment_id)
    told = [event_json(each) for each in world.store.events(deployment_id)]
    status = looks.status("api", "a")
    require_plain([shown, told, status])
    json.dumps([shown, told, status], allow_nan=False)
    assert "\n" not in shown["reason"]
    said: list[str] = []
    screen = SimpleNamespace(say=said.append, style=lambda text, **_: text)
    live = Live(screen, shown, verbose=2)  # type: ignore[arg-type]
    live.tell(told)
    said.append(live.verdict(shown))
    assert not OBEYED.search("".join(said))


QUICK = settings(
    max_examples=40, deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@QUICK
@given(field=st.sampled_from([*GOOD, "code", "staged", "around", "diff"]), value=ANY_JSON,
       failed=st.booleans())  # fmt: skip
def test_a_deployment_ends_whatever_a_field_of_a_result_holds(
    store: SqlStore, field: str, value: Any, failed: bool
) -> None:
    def answer(work: Work, host: str) -> list[dict[str, Any]]:
        if work.verb in ("probe", "restore"):
            return [event("release", {"code": "x", "msg": HOSTILE, field: value}, True, host)]
        result = {**GOOD, **({"code": "failed", "msg": "no"} if failed else {}), field: value}
        return [event("release", result, failed, host)]

    world = World(store, answer)
    ended = world.deploy()
    assert ended.status.terminal
    require_shown(world, ended.id)


@QUICK
@given(field=st.sampled_from([*PROBED, "healed", "colours"]), value=ANY_JSON)
def test_a_settlement_ends_whatever_a_field_of_a_probe_holds(
    store: SqlStore, field: str, value: Any
) -> None:
    world = World(store, lambda *_: [event("release_probe", {**PROBED, field: value})])
    left = world.abandon("a")
    world.recovery()
    ended = store.deployment(left)
    assert ended.status is Status.INTERRUPTED
    require_shown(world, left)
    store.unlock("api", "a", "test", "test")


@settings(max_examples=400, deadline=None, database=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(data=st.data(), module=st.sampled_from(sorted(documented())), failed=st.booleans())
def test_every_field_of_every_module_is_plain_or_makes_the_outcome_unknown(
    data: st.DataObject, module: str, failed: bool
) -> None:
    field = data.draw(st.sampled_from([*documented()[module], "changed", "msg", "results"]))
    result = {**GOOD, "app": {}, "backup": {"backups": []}, field: data.draw(ANY_JSON)}
    said = [event(module, {**result, **({"code": "no"} if failed and field != "code" else {})},
                  failed)]  # fmt: skip
    facts: list[Any] = []
    host = make_target("web-1").hosts
    work = Work("dep_1", "app", "p", host, True, {}, {}, 60)
    outcome = Answering(lambda *_: said).run(work, facts.extend, lambda: False)
    found = outcome.hosts["web-1"]
    assert found.ok or (found.error and found.error["code"])
    require_plain([{**found.result}, found.error, [dict(fact.data) for fact in facts]])
    if found.state == "unknown":
        assert not any(fact.type == "deployment.release_switched" for fact in facts)


@pytest.mark.parametrize(
    "answer",
    [
        {"fence": {"number": 10**30}},
        {**PROBED, "fence": {"number": 2**63 - 1}},
        {"release": "text"},
        {},
        {"release": {"id": 7}, "running": None, "fence": None, "releases": []},
        {**PROBED, "releases": [1]},
        {**PROBED, "fence": {"number": float("nan")}},
        {**PROBED, "fence": []},
        {**PROBED, "releases": nested(900)},
        nested(900),
    ],
)
def test_one_target_whose_host_lies_is_ended_and_the_other_goes_on(
    tmp_path: Path, answer: Any
) -> None:
    def told(work: Work, host: str) -> list[dict[str, Any]]:
        if work.request["service"] is None or work.verb == "probe":
            return [event("release_probe", answer, host=host)]
        return [event("release", GOOD, host=host)]

    world = World(open_records(tmp_path / "test.db"), told)
    left = world.abandon("a")
    assert world.deploy("b").status is Status.SUCCESS  # settles the other on its way
    ended = world.store.deployment(left)
    assert ended.status is Status.INTERRUPTED
    assert "unknown" in ended.reason
    assert not world.store.placements("api", "a")["web-1"].known
    (record,) = world.store.host_records(left)
    assert (record.error or {})["code"] == CODE


def test_a_settlement_that_breaks_off_stops_no_other_and_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(open_records(tmp_path / "test.db"), lambda *_: [event("release", GOOD)])
    broken = world.abandon("a")
    other = world.abandon("b")
    settle = recovery.settle

    def breaking(deployment: Any, *more: Any) -> None:
        if deployment.id == broken:
            raise KeyError("number")
        settle(deployment, *more)

    monkeypatch.setattr(recovery, "settle", breaking)
    world.recovery()
    assert world.store.deployment(broken).status is Status.IN_PROGRESS
    assert world.store.deployment(other).status is Status.INTERRUPTED


WORDS = {
    "msg": "Module result deserialization failed: No start of json char found",
    "module_stdout": "Please login as the user ubuntu", "module_stderr": "", "rc": 142,
}  # fmt: skip


@pytest.mark.parametrize("hosts", [("web-1",), ("web-1", "web-2", "web-3")])
def test_words_in_the_place_of_a_first_answer_fail_and_hold_nothing(
    tmp_path: Path, hosts: tuple[str, ...]
) -> None:
    def answer(work: Work, host: str) -> list[dict[str, Any]]:
        good = {"changed": False, "switched": False, "release": None, "previous": None, "fence": 1}
        words = event("release", WORDS, True, host)
        return [words if host == hosts[-1] else event("preflight", good, host=host)]

    world = World(open_records(tmp_path / "test.db"), answer, *hosts)
    ended = world.deploy()
    assert ended.status is Status.FAILED
    assert ended.reason.endswith("[login_refused]; no host was changed")
    assert "Please login as the user ubuntu" in ended.reason
    assert world.store.held("api", "a") is None
    assert len(world.runner.works) == 1


def test_words_in_the_place_of_a_later_answer_take_the_others_back(tmp_path: Path) -> None:
    def answer(work: Work, host: str) -> list[dict[str, Any]]:
        if work.verb == "deploy" and host == "web-2":
            return [event("release", WORDS, True, host)]
        restored = {**GOOD, "previous": RELEASE}
        return [event("release", restored if work.verb != "preflight" else
                      {**restored, "changed": False, "switched": False}, host=host)]  # fmt: skip

    world = World(open_records(tmp_path / "test.db"), answer, "web-1", "web-2")
    assert world.deploy().status is Status.ROLLED_BACK


def test_an_answer_that_does_not_fit_is_unknown_wherever_it_comes_from() -> None:
    for result in ({"fence": {"number": 10**30}}, {"release": "text"}, {"log": 1}, {"app": []}):
        found = HostOutcome("web-1", "ok", result)
        assert (found.state, found.result) == ("unknown", {})
        assert (found.error or {})["code"] == CODE


def test_every_field_that_leaves_the_runner_has_a_shape() -> None:
    assert {*RESULT_FIELDS} | {"log"} == {*FIELDS}


@pytest.mark.parametrize(
    "text",
    [HOSTILE, HOSTILE * 1000, "x" * 1_000_000, "a\nb" * 5000],
    ids=["hostile", "much", "a long line", "many lines"],
)
def test_hostile_words_reach_no_reason_no_record_and_no_screen(tmp_path: Path, text: str) -> None:
    def answer(work: Work, host: str) -> list[dict[str, Any]]:
        log = [{"step": text, "text": text}]
        result = {**GOOD, "switched": False, "code": "build_failed", "msg": text, "hint": text,
                  "log": log, "gate": {"passed": False, "detail": text}}  # fmt: skip
        return [
            {"event": "verbose", "stdout": text},
            event(
                "release", {"changed": False, "msg": text, "diff": [{"before": text}]}, host=host
            ),
            event("release", result, True, host),
        ]

    world = World(open_records(tmp_path / "test.db"), answer)
    ended = world.deploy()
    assert ended.status is Status.FAILED
    require_shown(world, ended.id)
    assert len(ended.reason) < 5000
    hosts = Hosts(world.catalogue, world.store, world.runner)
    outcome = hosts.run(world.catalogue.target("api", "a"), "probe", 10)
    require_plain(outcome.first_error())
