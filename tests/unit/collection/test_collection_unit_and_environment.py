"""The text of units and environment files, read back as systemd reads them."""

from __future__ import annotations

import re

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import envfile, unit


def _render(command: list[str], description: str = "my_api (production)") -> str:
    return unit.render(
        description=description,
        user="app",
        current="/opt/api/current",
        environment="/opt/api/.fraisier/environment",
        command=command,
    )


def _exec_start(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("ExecStart="))


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["/bin/app", "run"], "ExecStart=:/bin/app run"),
        (["bin/app"], "ExecStart=:/opt/api/current/bin/app"),
        (["./app"], "ExecStart=:/opt/api/current/app"),
        (["python3", "app.py"], "ExecStart=:/usr/bin/env python3 app.py"),
        (["/bin/app", "a b", ""], 'ExecStart=:/bin/app "a b" ""'),
        (["/bin/app", "50%", "$HOME"], "ExecStart=:/bin/app 50%% $HOME"),
        (["/bin/app", 'say "hi"'], 'ExecStart=:/bin/app "say \\"hi\\""'),
        (["/bin/app", "back\\slash"], 'ExecStart=:/bin/app "back\\\\slash"'),
        (["/bin/app", "two\nlines"], 'ExecStart=:/bin/app "two\\x0alines"'),
        (["/bin/app", ";", "rm"], 'ExecStart=:/bin/app ";" rm'),
    ],
)
def test_a_command_becomes_words_that_systemd_takes_literally(
    command: list[str], line: str
) -> None:
    assert _exec_start(_render(command)) == line


def test_a_description_cannot_add_a_line_to_the_unit() -> None:
    text = _render(["/bin/app"], description="x\nExecStartPre=/bin/evil %h")
    assert "\nExecStartPre" not in text
    assert "%%h" in text


def test_a_nul_character_in_a_command_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        _render(["/bin/app", "a\0b"])


def test_only_a_unit_with_our_first_line_is_ours() -> None:
    assert unit.is_ours(_render(["/bin/app"]))
    assert not unit.is_ours("[Unit]\n# Written by Fraisier\n")


def _read_like_systemd(text: str) -> dict[str, str]:
    """Read what envfile writes: NAME="…" where a backslash escapes one of " \\ ` $."""
    found = {}
    for match in re.finditer(r'^([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"\n', text, re.M | re.S):
        found[match[1]] = re.sub(r'\\(["\\`$])', r"\1", match[2])
    return found


def test_odd_values_come_back_from_the_environment_file_as_they_were() -> None:
    odd = {
        "QUOTES": "\"double\" and 'single'",
        "SHELL": "$HOME `id` $(id) ${X}",
        "BACK": "a\\b\\\\c\\",
        "LINES": "one\ntwo\n\nthree",
        "SPACE": "  around  ",
        "EMPTY": "",
        "HASH": "# no comment",
        "UNICODE": "gâteau 🍓",
        "TEMPLATE": "{{ 7*7 }}",
    }
    assert _read_like_systemd(envfile.render(odd)) == odd


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A=B", "A\nB", "Ä"])
def test_a_name_that_is_no_variables_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        envfile.render({name: "x"})


def test_a_nul_character_in_a_value_is_refused_without_showing_the_value() -> None:
    with pytest.raises(ValueError, match="NUL") as caught:
        envfile.render({"A": "hidden\0"})
    assert "hidden" not in str(caught.value)
