"""What Compose leaves out of its configuration hash, and what a project needs of the engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    compose_conflicts,
    compose_containers,
    compose_images,
    compose_inputs,
    compose_project,
    compose_site,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_conflicts import Holder
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_images import Image
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_inputs import LABEL
from unit.collection.test_collection_compose import A, B, container

KEY = b"k" * 32


def bind(source: Path | str, **more: Any) -> dict[str, Any]:
    """Return a bind mount as `docker compose config` shows it."""
    return {"type": "bind", "source": str(source), "target": "/there", **more}


def label(
    folder: Path, own: dict[str, Any], sent: bool = False, key: bytes = KEY, **top: Any
) -> str | None:
    """Return the label that a service gets."""
    project = {"name": "demo", "services": {"api": own, "db": {"image": "postgres"}}, **top}
    variables = {"WORD": "one"}
    found = compose_inputs.with_labels(project, str(folder), variables, key, sent)
    assert LABEL not in found["services"]["db"].get("labels", {}), "it uses nothing"
    text = (found["services"]["api"].get("labels") or {}).get(LABEL)
    return None if text is None else str(text)


def test_a_service_that_uses_nothing_has_no_label(tmp_path: Path) -> None:
    assert label(tmp_path, {"image": "x", "volumes": [{"type": "volume", "source": "v"}]}) is None


@pytest.mark.parametrize("kind", ["configs", "secrets"])
@pytest.mark.parametrize("entry", [{"content": "1"}, {"environment": "WORD"}, {"file": "f"}])
def test_the_content_of_configs_and_secrets_is_in_the_label(
    tmp_path: Path, kind: str, entry: dict[str, str]
) -> None:
    (tmp_path / "f").write_text("1")
    one = {**entry, "file": str(tmp_path / "f")} if "file" in entry else entry
    uses = {kind: [{"source": "c", "target": "/c"}], "labels": {"own": "1"}}
    first = label(tmp_path, dict(uses), **{kind: {"c": one}})
    assert first
    assert first == label(tmp_path, dict(uses), **{kind: {"c": one}}), "it is the same each time"
    assert first != label(tmp_path, dict(uses), key=b"x", **{kind: {"c": one}})
    (tmp_path / "f").write_text("2")
    other = one if "file" in entry else {"content": "2"}
    assert first != label(tmp_path, dict(uses), **{kind: {"c": other}})


def test_mounted_files_count_and_folders_that_a_container_may_write_to_do_not(
    tmp_path: Path,
) -> None:
    folder, outside = tmp_path / "project", tmp_path / "outside"
    for each in (folder / "d", outside):
        each.mkdir(parents=True)
        (each / "f").write_text("1")
    only = {"read_only": True}
    counted = [bind(folder / "d/f"), bind(folder / "d", **only), bind(outside / "f", **only)]
    left = [bind(folder / "d"), bind(outside, **only), bind(outside / "f"), bind("/dev/null")]
    assert [label(folder, {"volumes": [mount]}) for mount in left] == [None] * 4
    before = [label(folder, {"volumes": [mount]}) for mount in counted]
    assert all(before)
    assert label(folder, {"volumes": [bind(folder / "d")]}, sent=True), "nobody wrote to it yet"
    for each in (folder / "d", outside):
        (each / "f").write_text("2")
    after = [label(folder, {"volumes": [mount]}) for mount in counted]
    assert not set(before) & set(after)
    project = {"services": {"api": {"volumes": [bind(folder / "d"), bind(outside)]}}}
    assert compose_inputs.writable_folders(project, str(folder)) == ["d"]


def test_what_git_and_fraisier_keep_beside_the_file_is_no_part_of_a_release(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    before = compose_inputs.digest_of(str(tmp_path))
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_text("x")
    (tmp_path / "fraisier.db-wal").write_text("x")
    assert compose_inputs.digest_of(str(tmp_path)) == before
    (tmp_path / "f").chmod(0o600)
    assert compose_inputs.digest_of(str(tmp_path)) != before, "a mode counts"


def test_what_cannot_be_read_has_a_digest(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found = [compose_inputs.digest_of(str(tmp_path / name)) for name in ("pipe", "gone")]
    assert found == ["other", "missing"]


def test_copies_take_the_place_of_what_has_changed(tmp_path: Path) -> None:
    for name in ("same", "changed", "large"):
        (tmp_path / name).write_text("1")
    with (tmp_path / "large").open("r+b") as file:
        file.truncate(compose_inputs.KEPT_BYTES + 1)
    paths = [str(tmp_path / name) for name in ("changed", "large", "same")]
    kept = compose_inputs.keep(paths, str(tmp_path / "home"))
    (tmp_path / "changed").write_text("2")
    (tmp_path / "large").write_text("2")
    project: dict[str, Any] = {
        "services": {"api": {"volumes": [bind(path) for path in paths]}},
        "configs": {"c": {"file": paths[0]}},
    }
    left = compose_inputs.keep(paths, str(tmp_path / "other"))
    assert compose_inputs.with_kept(project, kept, left) == [paths[1]]
    sources = [mount["source"] for mount in project["services"]["api"]["volumes"]]
    assert sources[1:] == paths[1:]
    assert Path(sources[0]).read_text() == "1"
    assert project["configs"]["c"]["file"] == sources[0]


@pytest.mark.parametrize(
    ("written", "mode"), [(True, {}), (True, {"read_only": True}), (False, {})]
)
def test_a_copy_never_takes_the_place_of_what_containers_wrote(
    tmp_path: Path, written: bool, mode: dict[str, Any]
) -> None:
    path = tmp_path / "data"
    path.write_text("1")
    kept = compose_inputs.keep([str(path)], str(tmp_path / "first"))
    path.write_text("2")
    left = compose_inputs.keep([str(path)], str(tmp_path / "second"))
    path.write_text("3" if written else "2")
    project: dict[str, Any] = {"services": {"api": {"volumes": [bind(path, **mode)]}}}
    stays = written and not mode
    assert compose_inputs.with_kept(project, kept, left) == ([str(path)] if stays else [])
    (mount,) = project["services"]["api"]["volumes"]
    assert (mount["source"] == str(path)) is stays


class Site:
    """What `version_of` asks of a site."""

    def __init__(self, sent: str | None = None) -> None:
        self.files = type("Files", (), {"digest": sent})() if sent else None


@pytest.mark.parametrize(
    ("sent", "image", "others", "version"),
    [
        (None, Image(A, "api"), {}, A),
        (None, Image(A, "api", built=True), {}, A),
        ("f" * 64, Image(A, "api", built=True), {"back": B}, "sha256:" + "f" * 64),
        ("f" * 64, Image(A, "api"), {}, A),
        (None, Image(A, "api", version=B, others={"back": A}), {"back": A}, B),
    ],
)
def test_a_version_is_the_content_that_it_covers(
    sent: str | None, image: Image, others: dict[str, str], version: str
) -> None:
    site: Any = Site(sent)
    assert compose_images.version_of(site, image, others) == version


def test_a_version_covers_what_is_built_beside_the_service() -> None:
    def version(image: Image, others: dict[str, str], sent: str | None = None) -> str:
        site: Any = Site(sent)
        return compose_images.version_of(site, image, others)

    one = version(Image(A, "api"), {"back": A})
    assert one not in (
        A,
        version(Image(A, "api"), {"back": B}),
        version(Image(B, "api"), {"back": A}),
    )
    named = Image(A, "api", version=B, others={"back": B})
    assert version(named, {"back": A}) == one, "what was built since is not that version"
    hosts = {version(Image(A, "api"), {"back": each}, "f" * 64) for each in (A, B)}
    assert len(hosts) == 1, "each host builds its own"


def test_a_key_is_kept_for_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose_site, "state_home", lambda: str(tmp_path))
    one, other = (compose_site.key_of("demo", "api") for _ in range(2))
    assert one != other
    path = tmp_path / "compose/demo" / compose_site.KEY
    path.parent.mkdir(parents=True)
    compose_site._keep_key(str(path), one)
    compose_site._keep_key(str(path), other)
    assert compose_site.key_of("demo", "db") == one
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("service", "number"),
    [({}, 1), ({"scale": 3}, 3), ({"deploy": {"replicas": 2}}, 2), ({"scale": 0}, 0)],
)
def test_how_many_containers_are_wanted(service: dict[str, Any], number: int) -> None:
    assert compose_project.replicas({"services": {"api": service}}, "api") == number


def test_what_broke_off_is_removed_renamed_or_left_to_compose() -> None:
    old = container("demo-api-1", id="0123456789ab" + "c" * 52)
    passing = container("0123456789ab_taken", id="d" * 64, state="created")
    replaced = compose_containers.half_replaced
    assert replaced([old, passing], lambda: {"taken"}) == [(passing, None)], "the old one is there"
    assert replaced([passing], lambda: {"demo-db-1"}) == [(passing, "taken")]
    assert replaced([passing], lambda: {"taken"}) == [], "Compose replaces it under another name"
    dead = container("demo-api-1", state="dead")
    assert replaced([dead]) == [(dead, None)]


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (("tcp", "", 80), ("tcp", "127.0.0.1", 80), True),
        (("tcp", "0.0.0.0", 80), ("tcp", "127.0.0.1", 80), True),
        (("tcp", "127.0.0.1", 80), ("tcp", "::", 80), False),
        (("tcp", "::1", 80), ("tcp", "::", 80), True),
        (("tcp", "127.0.0.1", 80), ("tcp", "127.0.0.2", 80), False),
        (("tcp", "", 80), ("udp", "", 80), False),
        (("tcp", "", 80), ("tcp", "", 81), False),
    ],
)
def test_which_ports_exclude_each_other(one: Any, other: Any, overlap: bool) -> None:
    assert compose_conflicts._overlap(one, other) is overlap
    assert compose_conflicts._overlap(other, one) is overlap


@pytest.mark.parametrize(
    ("published", "numbers"),
    [("", []), ("0", []), ("80", [80]), ("80-82", [80, 81, 82]), ("x", [])],
)
def test_which_ports_are_published(published: str, numbers: list[int]) -> None:
    assert list(compose_conflicts._numbers(published)) == numbers


@pytest.mark.parametrize(
    ("own", "numbers", "names"),
    [
        ({"container_name": "one"}, [1], ["one"]),
        ({}, [], ["demo-api-1"]),
        ({}, [3], ["demo-api-3"]),
        ({"scale": 3}, [2], ["demo-api-2", "demo-api-3", "demo-api-4"]),
        ({"scale": 1}, [1, 2], ["demo-api-1"]),
    ],
)
def test_what_containers_will_be_called(
    own: dict[str, Any], numbers: list[int], names: list[str]
) -> None:
    ours = [Holder("x", "demo", "api", number, (), ()) for number in numbers]
    assert compose_conflicts._names_of("demo", "api", own, {"api": own}, ours) == names


def test_a_container_of_docker_compose_run_is_not_replaced() -> None:
    labels = {
        compose_containers.PROJECT_LABEL: "demo", compose_containers.SERVICE_LABEL: "api",
        compose_containers.ONCE_LABEL: "True", compose_conflicts.NUMBER_LABEL: "1",
    }  # fmt: skip
    settings = {
        "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "81/tcp": None},
        "Networks": {"n": {"IPAddress": "10.0.0.2", "GlobalIPv6Address": ""}},
    }
    data = {"Name": "/x", "Config": {"Labels": labels}, "NetworkSettings": settings}
    found = compose_conflicts.holder(data)
    assert (found.service, found.number) == ("", 1)
    assert found.ports == (("tcp", "0.0.0.0", 8080),)
    assert found.addresses == (("n", "10.0.0.2"),)
