"""`fraisier lab` passes on what was asked and shows what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fraisier import lab as labs
from fraisier.cli.context import Context
from fraisier.cli.lab import lab as command
from fraisier.lab import Lab, LabHost

MADE = Lab(
    "demo",
    Path("/labs/demo"),
    (
        LabHost("demo-1", "127.0.10.1", "c1", lab="demo"),
        LabHost("demo-2", "127.0.10.22", "c2", lab="demo", state="exited"),
    ),
)


def invoke(*argv: str, as_json: bool = False) -> Result:
    context = Context(json=as_json, verbose=0, color=False, config_path=None)
    return CliRunner().invoke(command, argv, obj=context)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def up(name: str, hosts: int, **options: Any) -> Lab:
        options.pop("say")
        calls.append({"name": name, "hosts": hosts, **options})
        return MADE

    monkeypatch.setattr(labs, "up", up)
    return calls


def test_up_starts_one_host_of_the_default_lab(asked: list[dict[str, Any]]) -> None:
    assert invoke("up").exit_code == 0
    assert asked == [
        {
            "name": "default",
            "hosts": 1,
            "reclaim": False,
            "ports": (),
            "addresses": (),
            "engine": False,
        }
    ]


def test_up_passes_on_every_option(asked: list[dict[str, Any]]) -> None:
    invoke("up", "--name", "demo", "--hosts", "3", "--port", "9000", "--reclaim")
    assert asked[0]["hosts"] == 3
    assert (asked[0]["ports"], asked[0]["reclaim"]) == ((9000,), True)


def test_each_address_means_a_host(asked: list[dict[str, Any]]) -> None:
    invoke("up", "--address", "127.0.10.8", "--address", "127.0.10.9")
    assert (asked[0]["hosts"], asked[0]["addresses"]) == (2, ("127.0.10.8", "127.0.10.9"))


@pytest.mark.parametrize("argv", [("--hosts", "0"), ("--hosts", "255"), ("--port", "70000")])
def test_numbers_out_of_range_are_invalid_arguments(
    argv: tuple[str, ...], asked: list[dict[str, Any]]
) -> None:
    assert invoke("up", *argv).exit_code == 2
    assert asked == []


@pytest.mark.usefixtures("asked")
def test_up_tells_where_inventory_and_fraises_yaml_are() -> None:
    output = invoke("up").stdout
    assert "/labs/demo/inventory.ini" in output
    assert "/labs/demo/fraises.yaml" in output


def test_status_lists_each_host_with_its_state_and_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labs, "status", lambda: [MADE])
    rows = [line.split() for line in invoke("status").stdout.splitlines()]
    assert rows[0] == ["LAB", "HOST", "ADDRESS", "STATE", "SSH"]
    assert [row[:4] for row in rows[1:]] == [
        ["demo", "demo-1", "127.0.10.1", "running"],
        ["demo", "demo-2", "127.0.10.22", "exited"],
    ]
    assert rows[1][-1] == "deploy@127.0.10.1"


def test_status_as_json_is_nothing_but_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labs, "status", lambda: [MADE])
    (data,) = json.loads(invoke("status", as_json=True).stdout)["labs"]
    assert data["config"] == "/labs/demo/fraises.yaml"
    assert [host["address"] for host in data["hosts"]] == ["127.0.10.1", "127.0.10.22"]


def test_status_without_labs_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labs, "status", list)
    assert "fraisier lab up --hosts 1" in invoke("status").stdout


def test_down_takes_one_lab_or_all(monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []

    def down(name: str, *, say: object) -> bool:
        removed.append(name)
        return name != "absent"

    monkeypatch.setattr(labs, "down", down)
    monkeypatch.setattr(labs, "names", lambda: ["one", "two"])
    assert invoke("down").stdout == "removed default\n"
    assert invoke("down", "--all").stdout == "removed one\nremoved two\n"
    assert invoke("down", "--name", "absent").stdout == 'there is no lab "absent"\n'
    assert removed == ["default", "one", "two", "absent"]


def test_naming_one_lab_and_all_labs_at_once_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labs, "names", lambda: pytest.fail("nothing may be removed"))
    assert invoke("down", "--name", "demo", "--all").exit_code == 2
