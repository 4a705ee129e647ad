"""The record of colours, their ports, and the seats in which they run."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import colours
from ansible_collections.fraisier.deploy.plugins.module_utils.check import Check
from ansible_collections.fraisier.deploy.plugins.module_utils.colours import Colours, wanted_ports
from ansible_collections.fraisier.deploy.plugins.module_utils.front import from_options
from ansible_collections.fraisier.deploy.plugins.module_utils.releases import (
    PREPARED,
    Layout,
    Release,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.seat import (
    check_on,
    colour_seat,
    unit_of,
    unit_text,
)
from support.colours import service

PORTS = {"blue": 9000, "green": 9001}


def test_the_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    record = Colours("a.b", PORTS).with_staged("blue", "r1").with_live("blue")
    assert colours.read(str(tmp_path)) is None
    colours.write(str(tmp_path), record)
    assert colours.read(str(tmp_path)) == record
    assert colours.running(str(tmp_path)) == {"r1"}
    assert colours.forget(str(tmp_path))
    assert colours.running(str(tmp_path)) == set()


def test_the_colours_take_turns() -> None:
    record = Colours("a.b", PORTS)
    assert (record.live, record.idle) == (None, "blue")
    record = record.with_staged(record.idle, "r1")
    assert (record.staged, record.live) == ("blue", None)
    record = record.with_live("blue")
    assert (record.staged, record.live, record.idle) == (None, "blue", "green")
    record = record.with_staged("green", "r2")
    taken = Colours("a.b", PORTS, "blue", None, {"blue": "r1", "green": None})
    assert record.without_staged() == taken


def test_a_release_that_both_have_is_the_live_ones() -> None:
    record = Colours("a.b", PORTS, "green", None, {"blue": "r1", "green": "r1"})
    assert record.colour_of("r1") == "green"
    assert record.colour_of("r2") is None
    assert record.colour_of(None) is None


def _found(_owner: str, wanted: int | None) -> int:
    return wanted or 9100


@pytest.mark.parametrize(
    ("known", "app_port", "ports"),
    [
        (None, 9000, PORTS),
        (Colours("a.b", PORTS, "blue"), 9000, PORTS),
        (Colours("a.b", PORTS, "blue"), None, PORTS),
        (Colours("a.b", PORTS, "blue"), 9500, {"blue": 9000, "green": 9501}),
        (Colours("a.b", PORTS, "green"), 9500, {"blue": 9500, "green": 9001}),
        (Colours("a.b", PORTS, "green"), 9001, {"blue": 9000, "green": 9001}),
    ],
)
def test_a_live_colour_keeps_its_port(
    known: Colours | None, app_port: int | None, ports: dict[str, int]
) -> None:
    assert wanted_ports("a.b", known, app_port, _found) == ports


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://localhost:8000/health?a=1", "http://localhost:9001/health?a=1"),
        ("http://localhost/health", "http://localhost:9001/health"),
        ("https://[::1]:8000/", "https://[::1]:9001/"),
        ("http://[::1]/", "http://[::1]:9001/"),
        ("http://me:word@localhost:8000/", "http://me:word@localhost:9001/"),
    ],
)
def test_a_check_is_asked_on_the_colours_port(url: str, asked: str) -> None:
    assert check_on(Check(type="http", url=url), 9001).url == asked


def test_a_port_is_the_colours_and_a_command_finds_it() -> None:
    assert check_on(Check(type="tcp", port=1), 9001).port == 9001
    command = Check(type="exec", command=("x",))
    assert check_on(command, 9001) is command


def test_a_colour_has_a_unit_of_its_own(tmp_path: Path) -> None:
    made, layout = service(tmp_path), Layout(str(tmp_path))
    seat = colour_seat(made, layout, "green", 9001)
    assert seat.unit == unit_of("my-api.service", "green") == "my-api@green.service"
    assert seat.environment == {"PORT": "9001", "FRAISIER_COLOUR": "green"}
    release = Release("r", "", "", PREPARED, 0.0, spec={"exec": ["bin/old"], "service_user": "me"})
    text = unit_text(made, release, seat) or ""
    assert f"WorkingDirectory={tmp_path}/green\n" in text
    assert f"EnvironmentFile={tmp_path}/.fraisier/green.environment\n" in text
    assert f"ExecStart=:{tmp_path}/green/bin/old\n" in text, "the command is the release's own"
    assert "User=me\n" in text
    nothing = Release("r", "", "", PREPARED, 0.0, spec={"exec": []})
    assert unit_text(made, nothing, seat) is None, "the unit is the team's own"


def test_the_certificate_is_one_text_and_no_part_of_what_is_shown() -> None:
    given = {"kind": "haproxy", "local": True, "tls": True, "app_port": None}
    front = from_options({"proxy": given, "secret_tls": {"cert": "C\n", "key": "K"}})
    assert front is not None
    assert front.colours
    assert front.certificate == "C\nK\n"
    assert "certificate" not in repr(front)
    assert from_options({"proxy": None}) is None
    half = from_options({"proxy": given, "secret_tls": {"cert": "C"}})
    assert half is not None
    assert half.certificate is None
