"""Services in containers: what is sent to hosts, logins of registries, colours and logs."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    compose_app,
    compose_colours,
    compose_containers,
    compose_files,
    compose_gate,
    compose_login,
    compose_logs,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.check import Check
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_engine import Docker, Said
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.plugin_utils import compose_tree
from ansible_collections.fraisier.deploy.plugins.plugin_utils.docker_ignore import (
    ignored,
    rules_of,
)
from unit.collection.test_collection_compose import container


@pytest.mark.parametrize(
    ("lines", "out", "kept"),
    [
        (["*.log"], ["a.log"], ["deep/a.log", "log"]),
        (["**/*.log"], ["a.log", "deep/er/a.log"], ["a.logs"]),
        (["node_modules"], ["node_modules/a/b"], ["my/node_modules/a"]),
        (["# *.py", "", "/dist/"], ["dist/a"], ["a.py"]),
        (["*.md", "!README.md"], ["NEWS.md"], ["README.md"]),
        (["a?c", "[x-z].txt"], ["abc", "y.txt"], ["abbc", "a.txt"]),
        (["docs/**/*.png"], ["docs/a.png", "docs/b/c/a.png"], ["a.png"]),
    ],
)
def test_what_dockerignore_keeps_out(lines: list[str], out: list[str], kept: list[str]) -> None:
    rules = rules_of(lines)
    assert [path for path in (*out, *kept) if ignored(path, rules)] == out


def folder(tmp_path: Path, services: dict[str, Any], **more: Any) -> Path:
    """Return a Compose file beside some files."""
    for name in ("app.env", "site/index.html", "site/.git/config", "secret.txt", "noise.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "fraisier.db").write_text("ours")
    file = tmp_path / "docker-compose.yml"
    file.write_text(yaml.safe_dump({"services": services, **more}))
    return file


def names(data: bytes) -> set[str]:
    """Return the names in what would be sent."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
        return set(tar.getnames())


@pytest.mark.parametrize(
    ("service", "more", "sent"),
    [
        ({"image": "a"}, {}, set()),
        ({"env_file": "app.env"}, {}, {"app.env"}),
        ({"env_file": [{"path": "app.env"}, "missing.env"]}, {}, {"app.env"}),
        ({"volumes": ["./site:/srv:ro", "data:/data"]}, {}, {"site/index.html"}),
        ({"volumes": [{"type": "bind", "source": "./site"}]}, {}, {"site/index.html"}),
        ({"image": "a"}, {"secrets": {"s": {"file": "secret.txt"}}}, {"secret.txt"}),
        ({"build": "./site"}, {}, {"site/index.html"}),
        ({"build": {"context": "https://example.com/a.git"}}, {}, set()),
        ({"volumes": ["/etc/hosts:/hosts", "~/x:/x"]}, {}, set()),
        ({"build": "."}, {}, {"app.env", "site/index.html", "secret.txt", "noise.log"}),
        ({"env_file": "${W}.env"}, {}, {"app.env", "site/index.html", "secret.txt", "noise.log"}),
        ({}, {"include": ["x.yml"]}, {"app.env", "site/index.html", "secret.txt", "noise.log"}),
    ],
)  # fmt: skip
def test_what_a_file_refers_to_is_sent_and_no_more(
    tmp_path: Path, service: dict[str, Any], more: dict[str, Any], sent: set[str]
) -> None:
    file = folder(tmp_path, {"api": service}, **more)
    assert names(compose_tree.pack(str(file))) == {"docker-compose.yml", *sent}


def test_the_same_files_are_the_same_bytes_whenever_they_are_sent(tmp_path: Path) -> None:
    file = folder(tmp_path, {"api": {"build": "."}})
    first = compose_tree.pack(str(file))
    (tmp_path / "app.env").touch()
    assert compose_tree.pack(str(file)) == first
    (tmp_path / "app.env").write_text("other")
    assert compose_tree.pack(str(file)) != first


def test_what_is_ignored_is_sent_where_something_else_needs_it(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("*\n!site\n")
    file = folder(tmp_path, {"api": {"build": ".", "env_file": "app.env"}})
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    assert names(compose_tree.pack(str(file))) == {
        "docker-compose.yml", ".dockerignore", "Dockerfile", "site/index.html", "app.env",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["../app.env", "a/../../b"])
def test_what_is_outside_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    file = folder(tmp_path, {"api": {"env_file": path}})
    with pytest.raises(Failure) as refused:
        compose_tree.pack(str(file))
    assert refused.value.code == "compose_outside"


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose_tree, "MOST_BYTES", 10)
    with pytest.raises(Failure) as refused:
        compose_tree.pack(str(folder(tmp_path, {"api": {"build": "."}})))
    assert refused.value.code == "compose_too_large"


def sent(tmp_path: Path, **files: str) -> compose_files.Files:
    """Return what came of a folder with these files."""
    source = tmp_path / "shop"
    source.mkdir(exist_ok=True)
    for old in source.iterdir():
        old.unlink()
    for name, text in {"docker-compose.yml": "include: []", **files}.items():
        (source / name).write_text(text)
    data = compose_tree.pack(str(source / "docker-compose.yml"))
    options = {
        "digest": hashlib.sha256(data).hexdigest(),
        "content": base64.b64encode(data).decode(),
    }
    return compose_files.Files(str(source / "docker-compose.yml"), None, options)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of all state."""
    monkeypatch.setattr(compose_files, "state_home", lambda: str(tmp_path / "state"))
    return tmp_path / "state"


def test_files_that_are_not_what_was_sent_are_not_installed(tmp_path: Path, state: Path) -> None:
    first, other = sent(tmp_path, **{"a.txt": "1"}), sent(tmp_path, **{"a.txt": "theirs"})
    for files in (first, other):
        files.keep()
    os.replace(other._kept(other.digest), first._kept(first.digest))
    with pytest.raises(Failure) as caught:
        first.install(first.digest)
    assert caught.value.code == "files_damaged"


def test_files_are_kept_laid_out_and_brought_back(tmp_path: Path, state: Path) -> None:
    first = sent(tmp_path, **{"a.txt": "1", "b.txt": "1"})
    first.keep()
    assert first.install(first.digest)
    assert not first.install(first.digest)
    tree = Path(first.folder)
    (tree / "data").write_text("a container's own")
    second = sent(tmp_path, **{"a.txt": "2"})
    second.keep()
    second.install(second.digest)
    assert {p.name for p in tree.iterdir()} == {"docker-compose.yml", "a.txt", "data"}
    assert (tree / "a.txt").read_text() == "2"
    second.install(first.digest)
    assert (tree / "a.txt").read_text() == (tree / "b.txt").read_text() == "1"
    assert Path(first.home).stat().st_mode & 0o077 == 0
    with second.laid_out() as file:
        assert (Path(file).parent / "a.txt").read_text() == "2"


def test_a_link_that_a_container_planted_is_not_followed(tmp_path: Path, state: Path) -> None:
    files = sent(tmp_path)
    files.keep()
    outside = tmp_path / "outside"
    outside.mkdir()
    Path(files.folder).mkdir(parents=True)
    (Path(files.folder) / "conf").symlink_to(outside)
    with pytest.raises(Failure) as refused:
        compose_files._safe(files.folder, "conf/app.ini")
    assert refused.value.code == "files_in_the_way"


def test_what_came_damaged_is_refused(tmp_path: Path, state: Path) -> None:
    files = sent(tmp_path)
    files.digest = "0" * 64
    with pytest.raises(Failure) as refused:
        files.keep()
    assert refused.value.code == "files_damaged"


def test_a_login_is_there_for_its_time_and_leaves_nothing(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    known = {"auths": {"a.example.com": {"auth": "x"}}, "credsStore": "desktop"}
    (own / "config.json").write_text(json.dumps(known))
    (own / "contexts").mkdir()
    docker = Docker()
    docker.environment["DOCKER_CONFIG"] = str(own)
    with compose_login.logged_in(docker, {"b.example.com": ("me", "geheim")}, str(tmp_path)):
        used = Path(docker.environment["DOCKER_CONFIG"])
        config = json.loads((used / "config.json").read_text())
        assert used.stat().st_mode & 0o077 == 0
        assert (used / "contexts").is_dir()
    word = base64.b64encode(b"me:geheim").decode()
    assert config["auths"] == {"a.example.com": {"auth": "x"}, "b.example.com": {"auth": word}}
    assert config["credsStore"] == "desktop"
    assert config["credHelpers"] == {"b.example.com": ""}, "its own helper would be asked first"
    assert docker.environment["DOCKER_CONFIG"] == str(own)
    assert not used.exists()


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        ("api", "docker.io"), ("my-org/api:1", "docker.io"), ("localhost/api", "localhost"),
        ("r.example.com:5000/a/b:1", "r.example.com:5000"),
    ],
)  # fmt: skip
def test_a_registry_that_refuses_is_named(reference: str, registry: str) -> None:
    assert compose_login.registry_of(reference) == registry
    text = "Error response from daemon: unauthorized: authentication required"
    refused = compose_login.refused(reference, text, {})
    assert refused is not None
    assert refused.code == "registry_denied"
    assert registry in refused.message
    assert compose_login.refused(reference, "no such host", {}) is None
    wrong = compose_login.refused(reference, text, {registry: ("robot", "not-the-password")})
    assert wrong is not None
    assert "robot" in wrong.message
    assert "not-the-password" not in f"{wrong.message} {wrong.hint} {wrong.text}"


def api(**more: Any) -> dict[str, Any]:
    """Return a project whose service `api` is as given."""
    own = {"image": "api:1", "ports": [{"target": 8000, "published": "80"}], **more}
    return {"name": "demo", "services": {"api": own, "db": {"image": "postgres"}}}


def test_a_colour_has_its_own_name_and_its_port_on_loopback() -> None:
    before = api(environment={"A": "1", "PORT": "9"}, container_name=None)
    project = compose_colours.coloured(before, "api", "green", 9101, 8000)
    own = project["services"]["api-green"]
    assert set(project["services"]) == {"api-green", "db"}
    assert own["ports"] == [
        {
            "mode": "ingress", "target": 8000, "published": "9101", "protocol": "tcp",
            "host_ip": "127.0.0.1",
        }
    ]  # fmt: skip
    assert own["environment"] == {"A": "1", "PORT": "9", "FRAISIER_COLOUR": "green"}
    assert "api" in before["services"]


@pytest.mark.parametrize(
    ("own", "dependents", "said"),
    [
        ({"container_name": "one"}, [], "container_name one"),
        ({"network_mode": "host"}, [], "network_mode host"),
        ({"network_mode": "service:db"}, [], "network_mode service:db"),
        ({"networks": {"n": {"ipv4_address": "10.0.0.2"}}}, [], "fixed address in the network n"),
        ({"deploy": {"replicas": 2}}, [], "2 replicas"),
        ({"scale": 3}, [], "3 replicas"),
        ({"ports": [{"target": 9, "published": "99"}]}, [], "port 99"),
        ({}, ["worker"], "worker depends on it"),
    ],
)
def test_what_cannot_be_two_is_told(own: dict[str, Any], dependents: list[str], said: str) -> None:
    with pytest.raises(Failure) as refused:
        compose_colours.require_suitable(api(**own), "api", 8000, dependents)
    assert refused.value.code == "colours_unsuitable"
    assert said in refused.value.message


def test_every_reason_against_two_slots_is_told_at_once() -> None:
    own = {"container_name": "the-one", "ports": [{"target": 9, "published": "9999"}]}
    with pytest.raises(Failure) as refused:
        compose_colours.require_suitable(api(**own), "api", 8000, [])
    assert "container_name the-one" in refused.value.message
    assert "port 9999" in refused.value.message


def test_what_can_be_two_passes_and_its_port_is_found() -> None:
    project = api(networks={"default": None}, deploy={"replicas": 1})
    compose_colours.require_suitable(project, "api", None, [])
    assert compose_colours.inner_port(project, "api", None) == 8000
    with pytest.raises(Failure):
        compose_colours.inner_port(api(ports=[]), "api", None)


def test_volumes_that_both_write_to_are_named() -> None:
    mounts = [
        {"type": "volume", "source": "data"}, {"type": "bind", "source": "/x"},
        {"type": "volume", "source": "look", "read_only": True},
    ]  # fmt: skip
    assert compose_colours.shared_volumes(api(volumes=mounts), "api") == ["data"]


class Logs(Docker):
    """An engine whose containers said something."""

    def __init__(self, said: dict[str, Said]) -> None:
        super().__init__()
        self.said, self.asked = said, []  # type: ignore[var-annotated]

    def ask(self, *arguments: str, **_more: Any) -> Said:  # type: ignore[override]
        """Return what was said."""
        self.asked.append(arguments)
        return self.said[arguments[-1]]


def test_lines_of_all_containers_come_in_order_and_go_on_behind_a_cursor() -> None:
    one = "2026-11-23T20:00:01.000000001Z first\n2026-11-23T20:00:03.000000001Z third\n"
    two = "2026-11-23T20:00:02.5Z second\nno time\n"
    docker = Logs({"a": Said(0, one, two), "b": Said(0, "", "")})
    found = [container("a"), container("b")]
    first = compose_logs.read(docker, found, lines=2)
    assert [entry["text"] for entry in first["entries"]] == ["second", "third"]
    assert first["entries"][0]["at"] == compose_app.moment("2026-11-23T20:00:02.5Z")
    more = one + "2026-11-23T20:00:04Z fourth\n"
    docker.said["a"] = Said(0, more, two)
    second = compose_logs.read(docker, found, after=first["cursor"])
    assert [entry["text"] for entry in second["entries"]] == ["fourth"]
    assert "--since" in docker.asked[-2]


class Starting(Docker):
    """An engine with one container, whose own check starts for so many looks, then ends so."""

    def __init__(self, looks: int, then: str) -> None:
        super().__init__()
        self.looks, self.then = looks, then

    def ask_json(self, *_arguments: str) -> list[dict[str, Any]]:
        """Return the container as it is now."""
        self.looks -= 1
        health = {"Status": "starting" if self.looks >= 0 else self.then}
        state = {"Status": "running", "Health": health}
        return [{"Id": "a", "Name": "/a", "Image": "i", "State": state, "Config": {}}]


@pytest.mark.parametrize(("then", "passed"), [("healthy", True), ("unhealthy", False)])
@pytest.mark.parametrize("kind", ["http", "exec"])
def test_a_container_whose_own_check_is_starting_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, kind: str, then: str, passed: bool
) -> None:
    monkeypatch.setattr(compose_gate, "attempt", lambda *_: (True, "HTTP 200"))
    docker = Starting(6, then)
    (seen,) = compose_containers.inspect(docker, ["a"])
    check = Check(kind, interval=0.01, deadline=20, delay=0.001)
    verdict = compose_gate.require_healthy(docker, check, None, [seen], fresh=True)
    assert verdict.passed == passed
    assert docker.looks < 0
    assert verdict.attempts > 1
