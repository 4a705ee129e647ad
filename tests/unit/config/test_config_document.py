"""Reading YAML: lines, and everything that makes a file unreadable."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from fraisier.config.document import MAX_BYTES, read
from fraisier.domain.errors import ConfigurationError


def _written(folder: Path, text: str | bytes) -> Path:
    path = folder / "some.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _refusal(path: Path) -> tuple[int, str]:
    with pytest.raises(ConfigurationError) as caught:
        read(path)
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    return problem.line, problem.message


def test_every_path_has_the_line_it_was_written_on(tmp_path: Path) -> None:
    document = read(_written(tmp_path, "a:\n  b:\n    - 1\n    - c: 2\n"))
    assert document.data == {"a": {"b": [1, {"c": 2}]}}
    lines = document.report.lines
    assert (lines[("a",)], lines[("a", "b")]) == (1, 2)
    assert (lines[("a", "b", 0)], lines[("a", "b", 1, "c")]) == (3, 4)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: [1\n", 3, "is not valid YAML: did not find expected ',' or ']'"),
        ("a: *nowhere\n", 1, "is not valid YAML: found undefined alias"),
        ("a: 1\n--- \nb: 2\n", 2, "is not valid YAML: but found another document"),
        (b"a: 1\nb: \xff\n", 2, "is not UTF-8 text; save it in that encoding"),
        ("a: 1\nb: '\x01'\n", 2, "holds a control character; remove it"),
        ("", 0, "the file is empty; `fraisier config init` writes an example"),
        ("# nothing\n", 0, "the file is empty; `fraisier config init` writes an example"),
        ("[" * 500_000, 1, "is nested more than 64 deep"),
        ("- " * 500_000, 1, "is nested more than 64 deep"),
        ("a: &a [*a]\n", 1, "holds an alias that refers to itself"),
        (b"#" * (MAX_BYTES + 1), 0, "is larger than 1024 KiB; this is no configuration file"),
    ],
)
def test_an_unreadable_file_is_told_with_its_line(
    tmp_path: Path, text: str | bytes, line: int, message: str
) -> None:
    assert _refusal(_written(tmp_path, text)) == (line, message)


def test_aliases_that_multiply_are_stopped(tmp_path: Path) -> None:
    rows = ["a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    for before, name in pairwise("abcdefghi"):
        rows.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    _, message = _refusal(_written(tmp_path, "\n".join(rows)))
    assert message == "holds more than 50000 values once its aliases are followed"


def test_a_folder_and_an_unreadable_file_are_named(tmp_path: Path) -> None:
    assert _refusal(tmp_path) == (0, "is a folder, not a file; name the file inside it")
    assert _refusal(tmp_path / "none") == (0, "cannot be read: No such file or directory")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "3: a: is set twice, first in line 1"),
        ("a:\n  yes: 1\n", "2: a: the key yes is no text for YAML: put it in quotes"),
        ("? [a]\n: 1\n", "1: a key must be text"),
        ("a: !!python/name:os.system x\n", "1: a: the tag tag:yaml.org,2002:python/name:os.system"),
        ("a: !thing {b: 1}\n", "1: a: the tag !thing is not allowed here"),
        ("a: .nan\n", "1: a: is not a finite number"),
        (f"a: {'9' * 5000}\n", "1: a: cannot be read as the number it looks like"),
        ("a:\n  <<: [1]\n", "2: a: `<<` merges mappings only"),
    ],
)
def test_what_yaml_allows_and_we_do_not_is_left_in_the_report(
    tmp_path: Path, text: str, problem: str
) -> None:
    (found,) = read(_written(tmp_path, text)).report.problems
    where = f"{found.line}: {found.path}: " if found.path else f"{found.line}: "
    assert (where + found.message).startswith(problem)


def test_merge_keys_and_anchors_work_and_keep_their_lines(tmp_path: Path) -> None:
    text = "x-base: &base {port: 22, user: a}\none:\n  <<: *base\n  user: b\n"
    document = read(_written(tmp_path, text))
    assert document.data["one"] == {"user": "b", "port": 22}
    assert document.report.lines[("one", "user")] == 4
    assert document.report.lines[("one", "port")] == 1
    assert document.report.problems == []


def test_dates_stay_text_and_vault_texts_become_references(tmp_path: Path) -> None:
    text = "day: 2026-01-02\nsecret: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\n"
    assert read(_written(tmp_path, text)).data == {
        "day": "2026-01-02",
        "secret": {"vault": "$ANSIBLE_VAULT;1.1;AES256\n00\n"},
    }
