"""What is written for Ansible is read back as it was, and is never a template."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fraisier.domain.errors import RunnerError
from fraisier.runner.unsafe import unsafe_json

PYTHON = f"ansible_python_interpreter={sys.executable}"
ODD = [
    "", " ", "a: b", "# no comment", "- x", "{{ 7*7 }}", "{% if 1 %}", "!!python/object", "null",
    "1", "1.10", "yes", "no", "0o17", "12:30", "2026-11-23", "0" * 39 + "1", "1" * 20 + "e" + "1",
    "tab\tnew\nline\r", "quote\"'\\", "é €  \U0001f353", "\x7f\x85\u2028\ufeff", "%a",
]  # fmt: skip
PLAY = """
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.copy:
        content: "{{ [request, odd_host] | to_json }}"
        dest: "{{ out }}"
        mode: "0600"
"""


def test_each_string_is_marked_unsafe() -> None:
    """S6."""
    assert unsafe_json({"a": ["{{ x }}"]}) == '{"a": [{"__ansible_unsafe": "{{ x }}"}]}'


def test_half_a_character_and_strange_types_are_refused() -> None:
    with pytest.raises(RunnerError, match="surrogate"):
        unsafe_json("\ud800")
    with pytest.raises(TypeError):
        unsafe_json({1, 2})


def test_ansible_reads_every_value_as_it_was_and_evaluates_none(tmp_path: Path) -> None:
    trap = "{{ lookup('pipe', 'touch " + str(tmp_path / "trap") + "') }}"
    request = {"odd": [*ODD, trap], "number": 7, "yes": True, "none": None, "empty": {"a": []}}
    hosts = {"here": {"odd_host": [*ODD, trap]}}
    (tmp_path / "vars.json").write_text(unsafe_json({"request": request}))
    (tmp_path / "hosts.json").write_text(unsafe_json({"all": {"hosts": hosts}}))
    (tmp_path / "play.yml").write_text(PLAY)
    playbook = Path(sys.executable).parent / "ansible-playbook"
    out = tmp_path / "out"
    done = subprocess.run(
        [
            playbook, "-i", "hosts.json", "-e", PYTHON, "-e", f"out={out}", "-e", "@vars.json",
            "play.yml",
        ],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert json.loads(out.read_text()) == [request, [*ODD, trap]]
    assert not (tmp_path / "trap").exists()
