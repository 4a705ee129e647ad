"""What users can rely on is documented: commands, keys, settings, codes, states, events."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from fraisier.cli import cli, exits
from fraisier.config.keys import iter_keys
from fraisier.config.providers import load_providers
from fraisier.config.schema import published_schema
from fraisier.config.settings import Settings
from fraisier.domain.deployment import MOVES, Status
from fraisier.domain.event import EVENT_TYPES
from fraisier.runner.diagnosis import BROKEN_MODULE, UNREACHABLE
from support import pages

CLI = pages.page("docs/CLI_REFERENCE.md")
CONFIGURATION = pages.page("docs/CONFIGURATION.md")
ARCHITECTURE = pages.page("docs/ARCHITECTURE.md")
BARE_METAL = pages.page("docs/PROVIDER_BARE_METAL.md")
COMPOSE = pages.page("docs/PROVIDER_DOCKER_COMPOSE.md")
MODULES = pages.TOP / "collections/ansible_collections/fraisier/deploy/plugins/module_utils"


def commands(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield inner.command_path, command
        if isinstance(command, click.Group):
            yield from commands(command, inner)


ALL_COMMANDS = [("fraisier", cli), *commands(cli, click.Context(cli, info_name="fraisier"))]


@pytest.mark.parametrize(("name", "command"), ALL_COMMANDS, ids=[name for name, _ in ALL_COMMANDS])
def test_a_command_and_its_options_have_help_and_are_in_the_reference(
    name: str, command: click.Command
) -> None:
    assert command.help, f"{name} has no help"
    assert f"\n### {name}\n" in CLI.text
    section = CLI.text.split(f"\n### {name}\n")[1].split("\n### ")[0]
    for option in (each for each in command.params if isinstance(each, click.Option)):
        assert option.help, f"{name} {option.opts[-1]} has no help"
        assert f"| `{', '.join(option.opts)}" in section, f"{name} {option.opts[-1]}"


def test_every_key_of_the_configuration_has_a_meaning_and_is_in_the_table() -> None:
    providers = load_providers(pages.TOP, {})
    common = [key for key in iter_keys(published_schema(providers)) if key[0]]
    own = [key for provider in providers.values() for key in iter_keys(provider.schema)]
    assert own
    for path, meaning, _ in [*common, *own]:
        assert meaning, f"{path} has no description"
    shown = [path for path, _, _ in common if ".provider_config." not in path]
    missing = [
        p for p in [*shown, *(k[0] for k in own)] if f"\n| `{p}` |" not in CONFIGURATION.text
    ]
    assert not missing, f"run `make docs`: {missing}"


def test_every_setting_that_the_code_reads_is_documented() -> None:
    files = [*(pages.TOP / "fraisier").rglob("*.py"), *MODULES.rglob("*.py")]
    written = {
        name for file in files for name in re.findall(r"FRAISIER_[A-Z_]*[A-Z]", file.read_text())
    }
    fields = {f"FRAISIER_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert "FRAISIER_LAB_HOME" in written
    missing = [name for name in sorted(written | fields) if f"`{name}`" not in CONFIGURATION.text]
    assert not missing, f"not in {CONFIGURATION.name}: {missing}"


def test_every_exit_code_is_in_the_table() -> None:
    plain = {exits.GENERAL, exits.INVALID, exits.TIMED_OUT}
    for code in {*plain, *(code for _, code in exits.ERRORS), *exits.STATUSES.values()}:
        assert re.search(rf"^\| {code} \|", CLI.text, re.M), f"exit code {code}"


def test_every_status_is_promised_something_and_drawn() -> None:
    for status in Status:
        assert re.search(rf"^\| `{status}` \|", ARCHITECTURE.text, re.M), status
        for after in MOVES[status]:
            assert f"{status} --> {after}\n" in ARCHITECTURE.text


def test_every_event_type_is_in_the_table() -> None:
    missing = [name for name in sorted(EVENT_TYPES) if not ARCHITECTURE.row(name)]
    assert not missing, f"not in {ARCHITECTURE.name}: {missing}"


def test_every_code_of_containers_is_in_the_table_of_their_provider() -> None:
    text = "".join(file.read_text() for file in MODULES.glob("compose_*.py"))
    codes = set(re.findall(r'Failure\(\s*"([a-z_]+)"', text))
    assert len(codes) > 12
    missing = [code for code in sorted(codes) if not COMPOSE.row(code)]
    assert not missing, f"not in {COMPOSE.name}: {missing}"


def test_every_code_that_a_host_can_answer_is_in_the_troubleshooting_table() -> None:
    files = [
        file for file in MODULES.glob("*.py") if not file.name.startswith(("compose_", "coolify_"))
    ]
    text = "".join(file.read_text() for file in files)
    codes = set(re.findall(r'Failure\(\s*"([a-z_]+)"', text))
    codes |= set(re.findall(r'errno\.E[A-Z]+: \("([a-z_]+)"', text))
    codes |= {found.code for _, found in (*UNREACHABLE, *BROKEN_MODULE)}
    assert len(codes) > 25
    missing = [code for code in sorted(codes) if not BARE_METAL.row(code)]
    assert not missing, f"not in {BARE_METAL.name}: {missing}"
