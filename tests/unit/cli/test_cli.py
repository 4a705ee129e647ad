"""The command line: it starts fast, speaks JSON everywhere, and ends with the right code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fraisier.cli import COMMANDS, cli
from fraisier.cli.exits import ERRORS, GENERAL, STATUSES, code_of
from fraisier.domain import errors
from fraisier.domain.deployment import Status
from support.command import Fraisier
from support.records import migrated

CONFIG = """
fraises:
  my_api:
    type: api
    git_provider: git
    git_repo: {repository}
    git_branch: main
    environments:
      production:
        provider: bare_metal
        provider_config:
          hosts: [{{hostname: 127.0.99.1, username: deploy}}]
          service_name: my-api
          app_path: /opt/my-api
"""


@pytest.fixture
def fraisier(tmp_path: Path) -> Fraisier:
    """Return the command in a folder with a configuration and empty records."""
    (tmp_path / "fraisier.db").write_bytes(migrated())
    (tmp_path / "fraises.yaml").write_text(CONFIG.format(repository=tmp_path / "none.git"))
    return Fraisier(tmp_path)


def test_the_version_is_printed_without_ansible_flask_or_a_database() -> None:
    script = (
        "import sys; sys.argv = ['fraisier', '--version']\nfrom fraisier.cli import main\n"
        "try: main()\nexcept SystemExit: print(*{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    version, modules = done.stdout.splitlines()
    assert version == "fraisier, version 0.1.0"
    assert "click" in modules.split()
    heavy = {
        "ansible",
        "ansible_runner",
        "flask",
        "sqlalchemy",
        "alembic",
        "jsonschema",
        "requests",
    }
    assert not heavy & {*modules.split()}


def test_every_command_is_found_under_its_own_name() -> None:
    for name in COMMANDS:
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        assert command.name == name
    assert cli.get_command(None, "nope") is None  # type: ignore[arg-type]


def test_every_status_and_error_has_its_exit_code() -> None:
    assert set(STATUSES) == set(Status)
    assert code_of(errors.EnvironmentNotFound("x")) == 4
    assert code_of(errors.StoreError("x")) == GENERAL
    kinds = [kind for kind, _ in ERRORS]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize(
    "command",
    [
        ["list"], ["status"], ["history"], ["config", "validate"], ["config", "show"],
        ["providers"], ["db", "status"], ["collection", "path"],
    ],
)  # fmt: skip
def test_each_look_speaks_json_and_words(fraisier: Fraisier, command: list[str]) -> None:
    spoken = fraisier("--json", *command)
    assert spoken.code == 0, spoken.said
    assert isinstance(spoken.json, dict)
    worded = fraisier(*command)
    assert worded.code == 0
    assert worded.out.strip()
    assert "\x1b[" not in worded.said, "no colours where there is no terminal"


def test_the_configuration_is_shown_without_headers_and_queries(
    fraisier: Fraisier, tmp_path: Path
) -> None:
    file = tmp_path / "fraises.yaml"
    check = "{type: http, url: 'http://a/?key=hunter2', headers: {X-Api-Key: hunter2, B: {env: K}}}"
    file.write_text(f"{file.read_text()}          health_check: {check}\n")
    for words in (["config", "show"], ["--json", "config", "show"]):
        shown = fraisier(*words)
        assert shown.code == 0, shown.said
        assert "hunter2" not in shown.said
        assert "X-Api-Key" in shown.out
        assert "header:health_check/B" in shown.out


def test_an_error_is_json_too_and_still_said_on_stderr(fraisier: Fraisier) -> None:
    result = fraisier("--json", "deploy", "nope", "production")
    assert result.code == 3
    assert result.json["error"]["code"] == "fraise_not_found"
    assert "nope" in result.err


def test_a_repository_that_cannot_be_read_records_nothing(fraisier: Fraisier) -> None:
    result = fraisier("deploy", "my_api", "production")
    assert result.code == 1
    assert "none.git" in result.err
    assert fraisier("--json", "history").json == {"deployments": []}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "dep_nope"], 1), (["history", "--since", "yesterday-ish"], 2),
        (["history", "--limit", "0"], 2), (["deploy", "my_api"], 2), (["frobnicate"], 2),
        (["rollback", "my_api", "production"], 8), (["unlock", "my_api", "production"], 2),
        (["unlock", "my_api", "production", "--reason", "x"], 8),
        (["deploy", "my_api", "production", "--strategy", "canary"], 2),
        (["db", "init", "--database", "oracle"], 2), (["-c", "missing.yaml", "list"], 1),
        (["deploy", "my_api", "production", "--timeout", "-1"], 2),
        (["plan", "my_api", "nope"], 4), (["cancel", "dep_nope"], 1),
        (["logs", "dep_nope", "--follow"], 1), (["completion", "csh"], 2),
        (["history", "nope"], 3), (["status", "my_api", "nope"], 4),
    ],
)  # fmt: skip
def test_a_mistake_is_a_sentence_and_an_exit_code(
    fraisier: Fraisier, arguments: list[str], code: int
) -> None:
    result = fraisier(*arguments)
    assert result.code == code, result.said
    assert "Traceback" not in result.said
    assert result.err.strip()


def test_a_configuration_to_begin_with_is_written_once(tmp_path: Path) -> None:
    fraisier = Fraisier(tmp_path)
    assert fraisier("config", "init").code == 0
    assert fraisier("config", "validate").code == 0
    again = fraisier("config", "init")
    assert again.code == 8
    assert "exists" in again.err


def test_the_schema_is_one_json_document(fraisier: Fraisier) -> None:
    schema = json.loads(fraisier("config", "schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/")


def test_a_database_is_made_where_it_is_said(tmp_path: Path) -> None:
    result = Fraisier(tmp_path)("db", "init", "--database", "sqlite", "--path", "x.db")
    assert result.code == 0, result.said
    assert (tmp_path / "x.db").stat().st_size > 0
    assert f"FRAISIER_DATABASE_URL=sqlite:///{tmp_path}/x.db" in result.err
    used = Fraisier(tmp_path)("db", "init", "--database", "sqlite", "--path", "fraisier.db")
    assert (used.code, used.err) == (0, "")


def test_history_is_read_although_the_configuration_is_broken(fraisier: Fraisier) -> None:
    (fraisier.folder / "fraises.yaml").write_text("fraises: [")
    assert fraisier("history").code == 0
    assert fraisier("list").code == 1


NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "command",
    [
        ["lab", "status"], ["config", "validate"], ["db", "status"], ["serve"], ["doctor"],
        ["collection", "path"],
    ],
)  # fmt: skip
def test_what_only_this_machine_can_do_is_refused_with_a_server(
    fraisier: Fraisier, command: list[str]
) -> None:
    refused = fraisier(*command, FRAISIER_SERVER=NOWHERE)
    assert refused.code == 2
    assert "FRAISIER_SERVER" in refused.err
    assert fraisier(*command, "--help", FRAISIER_SERVER=NOWHERE).code == 0


def test_an_empty_server_means_none(fraisier: Fraisier) -> None:
    assert fraisier("--server", "", "list", FRAISIER_SERVER=NOWHERE).code == 0
    assert fraisier("list", FRAISIER_SERVER="").code == 0


@pytest.mark.parametrize(
    ("server", "token", "code"),
    [(NOWHERE, "", 6), (NOWHERE, "two words", 1), (NOWHERE, "t0ken", 1), ("nonsense", "t0ken", 2)],
)
def test_a_server_that_cannot_be_asked_is_a_sentence_and_a_code(
    fraisier: Fraisier, server: str, token: str, code: int
) -> None:
    result = fraisier("--json", "--server", server, "list", FRAISIER_TOKEN=token)
    assert result.code == code, result.said
    assert result.json["error"]["message"]
    assert "Traceback" not in result.said
    assert not token or token not in result.said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(fraisier: Fraisier, shell: str) -> None:
    script = fraisier("completion", shell, FRAISIER_SERVER=NOWHERE)
    assert script.code == 0
    assert f"_FRAISIER_COMPLETE={shell}_complete" in script.out


def test_the_shell_is_offered_commands_and_what_is_configured(fraisier: Fraisier) -> None:
    def offered(words: str, count: int) -> list[str]:
        ask = {"COMP_WORDS": words, "COMP_CWORD": str(count)}
        return fraisier(_FRAISIER_COMPLETE="bash_complete", **ask).out.split()

    (fraisier.folder / "fraisier.db").unlink()
    assert offered("fraisier dep", 1) == ["plain,deploy"]
    assert offered("fraisier deploy ", 2) == ["plain,my_api"]
    assert offered("fraisier status my_api ", 3) == ["plain,production"]
    (fraisier.folder / "fraises.yaml").write_text("fraises: [")
    assert offered("fraisier deploy ", 2) == []
    assert offered("fraisier show ", 2) == []
    assert not (fraisier.folder / "fraisier.db").exists(), "completing makes no records"
