"""`fraisier token`: made, shown once, listed, revoked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fraisier.cli import cli
from fraisier.cli.exits import code_of
from fraisier.domain.errors import FraisierError
from fraisier.domain.token import well_formed

Command = Callable[..., Result]


@pytest.fixture
def token(tmp_path: Path) -> Command:
    """Return `fraisier token` beside a configuration, in this process."""
    (tmp_path / "fraises.yaml").write_text("fraises: {}\n")

    def run(*words: str, form: tuple[str, ...] = ("--json",)) -> Result:
        return CliRunner().invoke(
            cli, ["-c", str(tmp_path / "fraises.yaml"), *form, "token", *words]
        )

    return run


def told(result: Result) -> Any:
    """Return what a command that succeeded printed as JSON."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def code(result: Result) -> int:
    """Return the exit code that the command ends with."""
    if isinstance(result.exception, FraisierError):
        return code_of(result.exception)
    return result.exit_code


def test_a_secret_is_printed_alone_and_once(token: Command, tmp_path: Path) -> None:
    made = token("create", "ci", form=())
    assert made.exit_code == 0
    secret = made.stdout.strip()
    assert well_formed(secret)
    assert "shown only now" in made.stderr
    assert secret not in made.stderr
    listed = token("list")
    assert secret not in listed.output
    (found,) = told(listed)["tokens"]
    assert (found["name"], found["scope"], found["valid"]) == ("ci", "deploy", True)
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes(), file.name


@pytest.mark.parametrize(("expires", "days"), [("12h", 0.5), ("1d", 1), ("2w", 14)])
def test_a_token_expires_when_it_was_told_to(token: Command, expires: str, days: float) -> None:
    made = told(token("create", "ci", "--expires", expires))
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert abs(left - timedelta(days=days)) < timedelta(minutes=2)


def test_a_token_can_be_valid_until_it_is_revoked(token: Command) -> None:
    made = told(token("create", "ci", "--expires", "never", "--scope", "read"))
    assert made["expires_at"] is None
    assert told(token("revoke", made["id"]))["valid"] is False
    again = token("revoke", made["id"])
    assert code(again) == 8
    assert "already" in str(again.exception)


def test_a_token_is_restricted_to_the_targets_it_was_made_for(token: Command) -> None:
    made = told(token("create", "ci", "--only", "my_api/*", "--only", "shop/prod*"))
    assert made["targets"] == ["my_api/*", "shop/prod*"]
    said = token("create", "ci", "--only", "my_api/*", form=()).stderr
    assert "(deploy on my_api/*)" in said
    assert "my_api/*, shop/prod*" in token("list", form=()).stdout


def test_a_rotated_token_has_another_secret_under_the_same_id(token: Command) -> None:
    made = told(token("create", "ci"))
    again = token("rotate", made["id"], "--overlap", "60", form=())
    assert again.exit_code == 0
    assert well_formed(again.stdout.strip())
    assert again.stdout.strip() != made["token"]
    assert "the secret before it is valid until" in again.stderr
    (found,) = told(token("list"))["tokens"]
    assert (found["id"], found["valid"]) == (made["id"], True)
    told(token("revoke", made["id"]))
    assert code(token("rotate", made["id"])) == 8


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("create", "ci", "--expires", "soon"), 2),
        (("create", "ci", "--expires", "0d"), 2),
        (("create", "ci", "--expires", "1e9d"), 2),
        (("create", "ci", "--scope", "root"), 2),
        (("create", ""), 2),
        (("create", "a\nb"), 2),
        (("create", "x" * 300), 2),
        (("create", "ci", "--only", "my_api"), 2),
        (("create", "ci", "--only", "*api/*"), 2),
        (("rotate", "tok_nope"), 1),
        (("rotate", "tok_nope", "--overlap", "-1"), 2),
        (("revoke", "tok_nope"), 1),
    ],
)
def test_what_makes_no_sense_is_refused(
    token: Command, arguments: tuple[str, ...], expected: int
) -> None:
    assert code(token(*arguments)) == expected
