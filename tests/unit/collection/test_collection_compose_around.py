"""Services in containers: the work around a release, somebody's balancer, and a proxy taken away.

The engine is a stand-in; the commands, the disk, the fence and the records are real.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    backups,
    colours,
    compose_activate,
    compose_app,
    compose_back,
    compose_backups,
    compose_deploy,
    compose_open,
    compose_pair,
    compose_restore,
    compose_retire,
    compose_service,
    compose_site,
    compose_stage,
    compose_started,
    seal,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_balancer import variables_of
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_containers import Container
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_engine import Docker
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_images import Image
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_options import COMPOSE_SERVICE
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.fence_rules import Claim
from ansible_collections.fraisier.deploy.plugins.module_utils.front import Front
from ansible_collections.fraisier.deploy.plugins.module_utils.wanted import Wanted
from unit.collection.test_collection_compose import container

PORTS = {"blue": 9100, "green": 9101}
BALANCER = Front(drain_command=["sh", "-c", "echo out >> story"],
                 undrain_command=["sh", "-c", "echo in >> story"])  # fmt: skip
PROXY = Front(kind="haproxy", local=True, app_port=8000)


def id_of(version: str) -> str:
    """Return the content of a version's image."""
    return f"sha256:{version * 64}"


def says(word: str) -> list[str]:
    """Return a command that tells of itself in the folder where it runs."""
    return ["sh", "-c", f"echo {word} >> story"]


AROUND: dict[str, Any] = {
    "hooks": {"pre_deployment": [says("pre")], "post_deployment": [says("post")]},
    "backup": {"command": ["sh", "-c", "echo backup >> story; echo dump"],
               "restore_command": ["sh", "-c", "cat >> story"]},
    "migrate": {"command": says("migrate"), "down": says("down")},
    "smoke": [says("smoke")],
}  # fmt: skip


@dataclass
class World:
    """An engine in memory: which services run, and from what; and a proxy that notes its calls."""

    folder: Path
    up: dict[str, str] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)
    weights: dict[str, int] = field(default_factory=dict)
    front: Front | None = None
    around: Mapping[str, Any] = field(default_factory=lambda: AROUND)
    deployments: int = 0
    mounts: list[dict[str, Any]] = field(default_factory=list)
    needs: tuple[str, ...] = ()

    def site(self, version: str = "") -> compose_site.ComposeSite:
        """Return the site as the next run finds it."""
        options = {name: option.get("default") for name, option in COMPOSE_SERVICE.items()}
        file = str(self.folder / "project/docker-compose.yml")
        given = {"fraise": "f", "environment": "e", "docker_compose_file": file, "service": "api"}
        own = {**options, **given, "around": self.around, "env_vars": {"LEVEL": "debug"}}
        service = compose_service.from_options(own)
        api = {"image": f"api:{version}", "volumes": [dict(each) for each in self.mounts]}
        project = {"name": "demo", "services": {"api": api}}
        claim = Claim("ins", f"dep-{self.deployments}", takeover=True)
        site = compose_site.ComposeSite(service, claim, Docker(), "demo", project)
        site.front = self.front
        return site

    def deploy(self, version: str) -> compose_site.ComposeSite:
        """Deploy as the module does."""
        self.deployments += 1
        site = self.site(version)
        try:
            (compose_stage.deploy if site.coloured else compose_deploy.deploy)(site, version)
        finally:
            site.fence.close()
        return site

    def restore(self, wanted: Wanted) -> compose_site.ComposeSite:
        """Go back as the module does, for the same deployment."""
        site = self.site()
        try:
            (compose_back.restore if site.coloured else compose_restore.restore)(site, wanted)
        finally:
            site.fence.close()
        return site

    def story(self) -> list[str]:
        """Return what was told since the last look."""
        path = self.folder / "project/story"
        told = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return told

    def tell(self, word: str) -> None:
        """Note what the engine did."""
        with (self.folder / "project/story").open("a") as file:
            file.write(f"{word}\n")

    # the proxy
    def require(self) -> None:
        """Be there."""

    def define(self, _backend: str, servers: Mapping[str, Any], _options: Any) -> bool:
        """Know the servers."""
        self.weights = {name: self.weights.get(name, 0) for name in servers}
        return False

    def set_weights(self, _backend: str, weights: Mapping[str, int]) -> bool:
        """Give the traffic."""
        changed = self.weights != {**self.weights, **weights}
        self.weights.update(weights)
        return changed

    def drain(self, _backend: str, _servers: Any, _timeout: float) -> bool:
        """Wait for nothing."""
        return True

    def ready(self, _backend: str, _servers: Any) -> bool:
        """Be ready."""
        return True

    def remove(self, _backend: str) -> bool:
        """Forget the service."""
        self.weights.clear()
        return True


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world without a container."""
    made = World(tmp_path)
    (tmp_path / "project").mkdir()

    def run_up(site: Any, release: Any, name: str, _file: str) -> None:
        compose_started.note_first(site, made.needs)
        made.up.update({each: "up" for each in made.needs if each not in made.up})
        made.up[name] = release.version
        made.tell(f"up:{name}")

    def healthy(_site: Any, _fresh: bool = False, name: str | None = None, *_more: Any,
                **_named: Any) -> None:  # fmt: skip
        version = made.up.get(name or "api")
        if version is None or version in made.bad:
            raise Failure("health_check_failed", f"{version} is not healthy")

    def seen(_docker: Any, _project: str, name: str | None = None) -> list[Container]:
        return [
            container(each, service=each, image_id=image)
            for each, image in made.up.items()
            if name in (None, each)
        ]

    def remove(_site: Any, name: str) -> None:
        if made.up.pop(name, None):
            made.tell(f"rm:{name}")

    def do(_docker: Any, verb: str, *words: str, **_more: Any) -> Any:
        assert verb in ("stop", "rm"), (verb, words)
        for name in words[1:]:
            made.up.pop(name, None)
            made.tell(f"{verb}:{name}")
        return type("Done", (), {"code": 0, "output": ""})()

    for module in (compose_site, compose_open, backups):
        monkeypatch.setattr(module, "state_home", lambda: str(tmp_path / "state"))
    for module in (compose_activate, compose_pair, compose_app):
        monkeypatch.setattr(module, "run_up", run_up)
        monkeypatch.setattr(module, "healthy", healthy)
        monkeypatch.setattr(module, "containers", seen, raising=False)
    for module in (compose_deploy, compose_restore):
        monkeypatch.setattr(module, "healthy", healthy)
        monkeypatch.setattr(module, "containers", seen)
    monkeypatch.setattr(compose_started, "containers", seen)
    monkeypatch.setattr(compose_deploy, "obtain", lambda _site, v: Image(id_of(v), f"api:{v}"))
    monkeypatch.setattr(compose_deploy, "obtain_others", lambda _site, _image: {})
    monkeypatch.setattr(compose_deploy, "keep", lambda _site, image: image)
    for module in (compose_deploy, compose_stage):
        monkeypatch.setattr(module, "check_machine", lambda _site: None)
    for module in (compose_deploy, compose_stage, compose_restore):
        monkeypatch.setattr(module, "require_no_conflicts", lambda *_a: None)
    monkeypatch.setattr(compose_deploy, "forget", lambda *_a: None)
    for module in (compose_back, compose_restore):
        monkeypatch.setattr(module, "bring_back", lambda *_a: None)
    monkeypatch.setattr("ansible_collections.fraisier.deploy.plugins.module_utils.compose_probe"
                        ".containers", seen)  # fmt: skip
    monkeypatch.setattr(compose_activate, "runs", lambda _s, r: made.up.get("api") == r.version)
    monkeypatch.setattr(compose_deploy, "runs", lambda _s, r: made.up.get("api") == r.version)
    monkeypatch.setattr(compose_restore, "runs", lambda _s, r: made.up.get("api") == r.version)
    for module in (compose_pair, compose_retire):
        monkeypatch.setattr(module, "remove", remove)
        monkeypatch.setattr(module, "traffic", lambda: made)
    monkeypatch.setattr(compose_pair.ComposePair, "require_seen", lambda *_a: None)
    monkeypatch.setattr(
        "ansible_collections.fraisier.deploy.plugins.module_utils.ports.RECORD",
        str(tmp_path / "ports.json"),
    )
    monkeypatch.setattr(
        compose_pair,
        "recorded",
        lambda site, _front: colours.write(
            site.layout.state,
            colours.read(site.layout.state) or colours.Colours("f.e", PORTS),
        ),
    )
    monkeypatch.setattr(
        compose_retire.ports, "Ports", lambda: type("P", (), {"free": lambda *_a: True})()
    )
    monkeypatch.setattr(Docker, "do", do)
    return made


def test_all_of_it_is_done_in_its_order(world: World) -> None:
    first = world.deploy("1")
    assert world.story() == ["pre", "migrate", "up:api", "smoke", "post"]
    assert "nothing was deployed here before" in first.around["warnings"][0]
    second = world.deploy("2")
    assert world.story() == ["pre", "backup", "migrate", "up:api", "smoke", "post"]
    assert second.result()["around"]["migrated"]
    backup = second.result()["around"]["backup"]
    assert backup["version"] == id_of("1"), "what is saved is the data of what served"
    assert [file["name"] for file in backup["files"]] == ["dump"]


def test_what_runs_already_is_left_alone(world: World) -> None:
    world.deploy("1")
    world.story()
    world.deploy("1")
    assert world.story() == []


def test_commands_find_the_variables_and_the_project_of_the_release(world: World) -> None:
    told = 'printf "%s\\n" "$PWD" $LEVEL $FRAISIER_VERSION $COMPOSE_PROJECT_NAME $FRAISIER_SERVICE'
    world.around = {"smoke": [f"{told} > seen; cp $COMPOSE_FILE seen.json"]}
    world.deploy("1")
    folder = world.folder / "project"
    assert (folder / "seen").read_text().split() == [str(folder), "debug", "1", "demo", "api"]
    resolved = json.loads((folder / "seen.json").read_text())
    assert resolved["services"]["api"]["image"] == id_of("1")


@pytest.mark.parametrize("key", ["pre_deployment", "backup", "migrate"])
def test_nothing_that_serves_changes_when_what_comes_before_fails(world: World, key: str) -> None:
    world.deploy("1")
    world.story()
    false = {"pre_deployment": {"hooks": {key: ["false"]}}}.get(key, {key: {"command": ["false"]}})
    world.around = {**AROUND, **false}
    site = world.site("2")
    with pytest.raises(Failure):
        compose_deploy.deploy(site, "2")
    assert "up:api" not in world.story()
    assert not site.switched
    assert world.up == {"api": id_of("1")}


def test_a_failed_smoke_test_is_the_releases_fault_and_the_migration_goes_back(
    world: World,
) -> None:
    good = world.deploy("1").result()["release"]["id"]
    world.story()
    world.around = {**AROUND, "smoke": ["false"]}
    with pytest.raises(Failure) as caught:
        world.deploy("2")
    assert caught.value.code == "smoke_failed"
    assert world.story() == ["pre", "backup", "migrate", "up:api"]
    site = world.restore(Wanted(to=good, mark_bad=True))
    assert world.story() == ["down", "up:api"], "nothing but the way back"
    assert world.up == {"api": id_of("1")}
    assert [release.status for release in site.ledger.all()] == ["bad", "good"]


def test_a_host_is_out_of_the_balancer_while_its_containers_change(world: World) -> None:
    world.front, world.around = BALANCER, {}
    world.deploy("1")
    assert world.story() == ["out", "up:api", "in"]
    world.bad.add(id_of("2"))
    with pytest.raises(Failure):
        world.deploy("2")
    assert world.story() == ["out", "up:api", "in"]
    world.restore(Wanted())
    assert world.story() == ["out", "up:api", "in"]


def test_whoever_ends_a_run_puts_the_host_back_into_the_balancer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.front, world.around = BALANCER, {}
    world.deploy("1")
    world.story()
    site = world.site()
    folder = str(world.folder / "project")
    note = {"command": ["sh", "-c", "echo $LEVEL >> story"], "folder": folder,
            "user": compose_deploy.compose_around.whoever_runs().name}  # fmt: skip
    Path(site.layout.state, "drained.json").write_text(json.dumps(note))
    options = {"stop": True, "installation": "ins", "deployment": "dep-1", "turn": 5}
    assert seal.seal_where_asked(site.ledger, options, False, lambda: variables_of(site)).sealed
    assert world.story() == ["debug"]
    assert not os.path.exists(os.path.join(site.layout.state, "drained.json"))


def test_a_colour_is_tested_on_its_port_before_it_gets_traffic(world: World) -> None:
    world.front = PROXY
    world.around = {**AROUND, "smoke": ["echo $FRAISIER_SERVICE:$PORT >> story"]}
    world.deploy("1")
    assert world.story() == ["pre", "migrate", "up:api-blue", "api-blue:9100", "post"]
    site = world.site("2")
    compose_stage.stage(site, "2")
    site.fence.close()
    assert world.story() == ["pre", "backup", "migrate", "up:api-green", "api-green:9101"]
    assert world.weights == {"blue": 100, "green": 0}
    site = world.site()
    compose_stage.promote(site)
    site.fence.close()
    assert world.story() == ["post"]
    assert world.weights == {"blue": 0, "green": 100}


def test_a_colour_that_fails_its_tests_is_stopped_and_its_migration_taken_back(
    world: World,
) -> None:
    world.front = PROXY
    world.deploy("1")
    world.story()
    world.around = {**AROUND, "smoke": ["false"]}
    with pytest.raises(Failure, match="smoke"):
        world.deploy("2")
    assert world.story()[-2:] == ["rm:api-green", "down"]
    assert world.weights == {"blue": 100, "green": 0}


def test_what_ran_before_slots_serves_until_the_first_slot_does(world: World) -> None:
    world.around = {}
    world.deploy("1")
    world.story()
    world.front = PROXY
    world.bad.add(id_of("2"))
    with pytest.raises(Failure, match="is not healthy"):
        world.deploy("2")
    assert "rm:api" not in world.story()
    assert world.up == {"api": id_of("1")}
    assert not any(world.weights.values())
    world.deploy("3")
    up, *_, removed = world.story()
    assert (up, removed) == ("up:api-blue", "rm:api"), "its successor is up before it goes"
    assert world.up == {"api-blue": id_of("3")}
    assert world.weights == {"blue": 100, "green": 0}


def test_rolling_moves_a_host_to_its_other_slot(world: World) -> None:
    world.front, world.around = PROXY, {}
    world.deploy("1")
    world.story()
    world.deploy("2")
    assert world.story() == ["up:api-green", "rm:api-blue"]
    assert world.weights == {"blue": 0, "green": 100}


def mount(world: World, **more: Any) -> Path:
    """Let the service mount a file of the project's folder; return it."""
    path = world.folder / "project/conf"
    path.write_text("1")
    world.mounts = [{"type": "bind", "source": str(path), "target": "/conf", **more}]
    return path


def test_what_serves_still_is_not_started_anew_as_a_mounted_file_changed(world: World) -> None:
    conf = mount(world, read_only=True)
    world.front, world.around = PROXY, {}
    first = world.deploy("1").result()["release"]["id"]
    conf.write_text("2")
    site = world.site("2")
    compose_stage.stage(site, "2")
    site.fence.close()
    world.story()
    world.restore(Wanted(to=first, mark_bad=True))
    assert world.story() == ["rm:api-green"]
    assert world.weights == {"blue": 100, "green": 0}


@pytest.mark.parametrize("way", ["deploy", "restore"])
def test_without_the_proxy_the_colours_are_removed(world: World, way: str) -> None:
    world.front, world.around = PROXY, {}
    world.deploy("1")
    assert set(world.up) == {"api-blue"}
    world.story()
    world.front = None
    site = world.deploy("1") if way == "deploy" else world.restore(Wanted(version=id_of("1")))
    assert world.story() == ["up:api", "rm:api-blue"], "it serves before they go"
    assert world.up == {"api": id_of("1")}
    assert world.weights == {}
    assert colours.read(site.layout.state) is None
    assert not Path(site.layout.state, "blue.json").exists()


def test_a_backup_is_taken_and_put_back_while_the_containers_stand(world: World) -> None:
    world.deploy("1")
    world.story()
    (taken,) = compose_backups.take(world.site())["backups"]
    assert world.story() == ["backup"]
    assert taken["why"] == "asked"
    found = compose_backups.listed(world.site())
    assert [each["id"] for each in found["backups"]] == [taken["id"]]
    compose_backups.restore(world.site(), None)
    assert world.story() == ["stop:api", "dump", "up:api"]


def test_where_a_restore_fails_the_containers_stay_stopped(world: World) -> None:
    world.deploy("1")
    compose_backups.take(world.site())
    backup = {**AROUND["backup"], "restore_command": ["false"]}
    world.around = {**AROUND, "backup": backup}
    with pytest.raises(Failure) as caught:
        compose_backups.restore(world.site(), None)
    assert caught.value.code == "restore_failed"
    assert world.up == {}


@pytest.mark.parametrize("front", [None, PROXY], ids=["plain", "slots"])
def test_a_failed_first_deployment_stops_what_it_had_started(
    world: World, front: Front | None
) -> None:
    world.front, world.needs, world.bad = front, ("db", "cache"), {id_of("1")}
    world.up["cache"] = "somebody's"
    with pytest.raises(Failure):
        world.deploy("1")
    site = world.restore(Wanted(nothing=True, mark_bad=True))
    assert world.up == {"cache": "somebody's"}
    assert site.changed
    world.bad.clear()
    world.deploy("2")
    assert "db" in world.up


def test_a_second_deployment_that_fails_leaves_what_the_service_needs(world: World) -> None:
    world.needs = ("db",)
    first = world.deploy("1").ledger.current() or ""
    world.bad = {id_of("2")}
    with pytest.raises(Failure):
        world.deploy("2")
    world.restore(Wanted(to=first, mark_bad=True))
    assert "db" in world.up


DB, MID = container("db", service="db"), container("mid", service="mid", needs=("db",))
OWN = container("api", service="api", needs=("db",), state="exited")


@pytest.mark.parametrize(
    ("others", "kept"),
    [
        ([], set()),
        ([OWN], set()),
        ([container("web", service="web", needs=("db",))], {"db"}),
        ([container("web", service="web", needs=("mid",))], {"db", "mid"}),
        ([container("web", service="web", needs=("mid",), state="exited")], set()),
        ([container("web", service="web", needs=())], set()),
        ([container("web", service="web", needs=None)], {"db", "mid"}),
    ],
)
def test_what_others_need_goes_on_running(others: list[Container], kept: set[str]) -> None:
    assert compose_started.needed([DB, MID, *others], {"db", "mid"}) == kept


def test_a_needed_service_with_a_release_of_its_own_is_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another deployment may have taken it over since this one noted that it did not run."""
    monkeypatch.setattr(compose_site, "state_home", lambda: str(tmp_path))
    own = tmp_path / "compose" / "shop" / "api"
    own.mkdir(parents=True)
    (own / "current").symlink_to("releases/20261201-100000-abcdef")
    site: Any = SimpleNamespace(name="shop")
    assert compose_started._is_deployed(site, "api")
    assert not compose_started._is_deployed(site, "db")
