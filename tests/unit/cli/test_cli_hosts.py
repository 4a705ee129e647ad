"""What commands about hosts make of what hosts tell: pure decisions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fraisier.cli.harmless import harmless
from fraisier.cli.setup import as_root, has_variables, plain_user, texts
from fraisier.cli.symptoms import symptoms
from fraisier.domain.catalogue import Host, InventoryGroup
from fraisier.domain.deployment import Placement
from fraisier.domain.errors import UsageError
from fraisier.engine.differences import differences
from support.command import Fraisier
from support.fakes import make_target

TARGET = make_target("web-1")
PLACED = Placement("web-1", 3, "r1", "v1", True, 0)
TOLD: dict[str, Any] = {
    "host": "web-1",
    "error": None,
    "release": {"id": "r1", "version": "v1"},
    "running": "r1",
    "unit": {"active_state": "active"},
    "fence": {"number": 3, "deployment": "dep_1", "installation": "ins_1"},
}


@pytest.mark.parametrize(
    ("told", "placed", "said"),
    [
        ({}, PLACED, []),
        ({"running": "unknown"}, PLACED, []),
        ({"error": {"code": "host_unreachable"}}, PLACED, []),
        ({"release": None, "running": None}, None, []),
        ({}, None, ["the records say nothing, the host r1"]),
        ({"release": {"id": "r2"}, "running": "r2"}, PLACED, ["the records say r1, the host r2"]),
        (
            {"release": {"id": "r2"}, "running": "r2"},
            replace(PLACED, known=False),
            ["contact was lost after r1, the host r2"],
        ),
        ({"running": "r0"}, PLACED, ["still runs r0"]),
        (
            {"running": None, "unit": {"active_state": "failed"}},
            PLACED,
            ["does not run (failed)"],
        ),
        (
            {"fence": {"number": 4, "deployment": "ansible-1", "installation": "ansible"}},
            PLACED,
            ["ansible-1 of ansible has been here since"],
        ),
    ],
)
def test_a_host_that_is_not_as_recorded_is_told_in_sentences(
    told: dict[str, Any], placed: Placement | None, said: list[str]
) -> None:
    found = differences({**TOLD, **told}, placed)
    assert len(found) == len(said)
    assert all(part in sentence for part, sentence in zip(said, found, strict=True))


PERIOD = (1000.0, 1002.0)
WELL = {
    "clock": 1001.0,
    "disk": {"path": "/opt", "bytes": 2**32, "files": 10**6},
    "shell": {"program": "/bin/bash", "seconds": 0.02, "bare": 0.01, "files": []},
}


@pytest.mark.parametrize(
    ("told", "symptom", "fix"),
    [
        ({"clock": 1306.0}, "304 s ahead of", "timedatectl"),
        ({"clock": 400.0}, "600 s behind", "timedatectl"),
        ({"disk": {"path": "/opt", "bytes": 2**20, "files": None}}, "1 MiB", "keep_releases"),
        ({"disk": {"path": "/opt", "bytes": 2**32, "files": 7}}, "7 files", "keep_releases"),
        (
            {"shell": {**WELL["shell"], "seconds": 2.5, "files": ["/home/d/.bashrc"]}},  # type: ignore[dict-item]
            "takes 2.5 s",
            "/home/d/.bashrc",
        ),
        ({"shell": {**WELL["shell"], "seconds": None}}, "does not end", "/bin/bash reads"),  # type: ignore[dict-item]
    ],
)
def test_each_symptom_has_its_fix(told: dict[str, Any], symptom: str, fix: str) -> None:
    ((found, said),) = symptoms({**WELL, **told}, PERIOD)
    assert symptom in found
    assert fix in said


def test_a_host_that_is_well_or_was_not_examined_has_no_symptom() -> None:
    assert list(symptoms(WELL, PERIOD)) == []
    assert list(symptoms({}, PERIOD)) == []
    slow_machine = {"shell": {**WELL["shell"], "seconds": 2.1, "bare": 2.0}}  # type: ignore[dict-item]
    assert list(symptoms(slow_machine, PERIOD)) == [], "its files are not what is slow"


def test_text_of_others_moves_no_cursor_and_hides_no_word() -> None:
    assert harmless("a\tb\nc é 日本") == "a\tb\nc é 日本"
    assert harmless("\x1b]8;;x\x07\r\x9b31m\u202e\x00") == "\\x1b]8;;x\\x07\\r\\x9b31m\\u202e\\x00"


def test_hosts_are_prepared_by_root_whoever_deploys() -> None:
    plain = replace(TARGET, become=False, hosts=(Host("web-1", "web-1", username="deploy"),))
    assert plain_user(plain)
    with pytest.raises(UsageError, match="become: false"):
        as_root(plain, None, None)
    by_root = as_root(plain, "root", Path("/keys/root"))
    assert (by_root.become, by_root.hosts[0].username) == (False, "root")
    assert by_root.hosts[0].ssh_key_path == "/keys/root"
    assert as_root(plain, "admin", None).become is True
    assert as_root(TARGET, None, None) is TARGET
    with pytest.raises(UsageError, match="needs --as"):
        as_root(TARGET, None, Path("/keys/root"))
    with pytest.raises(UsageError, match="/inv"):
        as_root(replace(TARGET, inventory=InventoryGroup("/inv", "web")), "root", None)


def test_a_service_has_variables_also_where_all_are_secret() -> None:
    assert not has_variables(TARGET)
    assert not has_variables(replace(TARGET, secrets={"become:password": {"env": "P"}}))
    assert has_variables(replace(TARGET, secrets={"TOKEN": {"env": "T"}}))
    assert has_variables(replace(TARGET, service={"env_vars": {"PORT": "1"}}))


def test_attributes_that_change_are_told_in_a_line_and_texts_stay_diffs() -> None:
    folder = {"before": {"path": "/x", "mode": "0700"}, "after": {"path": "/x", "mode": "0755"}}
    text = {"before": "a", "after": "b", "after_header": "/y"}
    assert texts([folder, text]) == [{"prepared": "/x: mode 0700 → 0755"}, text]
    assert texts(None) == []


def test_what_a_provider_cannot_do_is_said_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text("services: {api: {image: api}}\n")
    config = "{docker_compose_file: ./docker-compose.yml, service: api}"
    environment = f"{{provider: docker-compose, provider_config: {config}}}"
    fraise = f"{{git_repo: ./repo, environments: {{development: {environment}}}}}"
    (tmp_path / "fraises.yaml").write_text(f"fraises: {{my_api: {fraise}}}\n")
    result = Fraisier(tmp_path)("setup", "my_api", "development")
    assert result.code == 2
    assert 'cannot do "setup"' in result.err
