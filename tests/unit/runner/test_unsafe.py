"""What is written for Ansible is read back as it was, and is never a template."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fraisier.domain.errors import RunnerError
from fraisier.runner.unsafe import unsafe_yaml

PYTHON = f"ansible_python_interpreter={sys.executable}"
ODD = [
    "", " ", "a: b", "# no comment", "- x", "{{ 7*7 }}", "{% if 1 %}", "!!python/object", "null",
    "1", "yes", "tab\tnew\nline\r", "quote\"'\\", "é €  \U0001f353", "\x7f\x85\u2028\ufeff", "%a",
]  # fmt: skip


class Loader(yaml.SafeLoader):
    """Reads `!unsafe` as text."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def test_every_value_is_read_back_as_it_was() -> None:
    data = {"text": ODD, "number": 7, "float": 1.5, "yes": True, "none": None, "nested": {"a": []}}
    assert yaml.load(unsafe_yaml(data), Loader) == data


def test_each_string_is_marked_unsafe() -> None:
    assert unsafe_yaml({"a": ["{{ x }}"]}) == '{"a": [!unsafe "{{ x }}"]}'


def test_half_a_character_and_strange_types_are_refused() -> None:
    with pytest.raises(RunnerError, match="surrogate"):
        unsafe_yaml("\ud800")
    with pytest.raises(TypeError):
        unsafe_yaml({1, 2})


def test_ansible_itself_evaluates_none_of_it(tmp_path: Path) -> None:
    trap = "{{ lookup('pipe', 'touch " + str(tmp_path / "trap") + "') }}"
    (tmp_path / "vars.yml").write_text(unsafe_yaml({"request": {"version": trap}}))
    (tmp_path / "play.yml").write_text(
        "- hosts: localhost\n  gather_facts: false\n  connection: local\n  tasks:\n"
        "    - ansible.builtin.copy:\n"
        '        content: "{{ request.version }}"\n'
        f"        dest: {tmp_path / 'out'}\n        mode: '0600'\n"
    )
    playbook = Path(sys.executable).parent / "ansible-playbook"
    subprocess.run(
        [playbook, "-i", "localhost,", "-e", PYTHON, "-e", "@vars.yml", "play.yml"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    assert (tmp_path / "out").read_text() == trap
    assert not (tmp_path / "trap").exists()
