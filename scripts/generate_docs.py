"""Writes the parts of the documents that the code decides: commands, configuration keys, moves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from fraisier.api import create_app
from fraisier.api.documents import operations as api_operations
from fraisier.cli import cli
from fraisier.config.keys import iter_keys
from fraisier.config.providers import load_providers
from fraisier.config.schema import published_schema
from fraisier.config.settings import Settings
from fraisier.domain.catalogue import Provider
from fraisier.domain.deployment import MOVES, Status
from fraisier.engine.queue import Stop
from fraisier.wiring import Application

TOP = Path(__file__).resolve().parent.parent
PART = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def commands() -> str:
    """Return the reference of every command, options included."""
    root = click.Context(cli, info_name="fraisier")
    every = ["### fraisier\n", _options(cli, root), *_below(cli, root)]
    return "\n".join(every)


def keys() -> str:
    """Return the table of the keys of fraises.yaml, without those that a provider decides."""
    schema = published_schema(providers())
    return _table(key for key in iter_keys(schema) if ".provider_config." not in key[0])


def provider_keys() -> str:
    """Return one table for each provider, of its provider_config."""
    parts = []
    for name, provider in sorted(providers().items()):
        parts.append(f"### provider_config of {name}\n\n{_table(iter_keys(provider.schema))}")
    return "\n".join(parts)


def moves() -> str:
    """Return the states of a deployment and the moves between them, as a diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Status.PENDING}"]
    for before in Status:
        lines += [f"    {before} --> {after}" for after in Status if after in MOVES[before]]
    lines += [f"    {status} --> [*]" for status in Status if status.terminal]
    return "\n".join(["```mermaid", *lines, "```", ""])


def operations() -> str:
    """Return every operation of the control API, by what it is about."""
    document = openapi()
    parts = []
    for tag in document["tags"]:
        parts.append(f"### {tag['name'].capitalize()}\n")
        parts += [
            _operation(each) for each in api_operations(document) if each["tag"] == tag["name"]
        ]
    return "\n".join(parts)


def openapi() -> Mapping[str, Any]:
    """Return the OpenAPI document as a server gives it."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "fraises.yaml").write_text("fraises: {}\n")
        application = Application(Settings(), f"{folder}/fraises.yaml")
        client = create_app(application.services(None, Stop())).test_client()
        document: Mapping[str, Any] = client.get("/api/v1/openapi.json").get_json()
    return document


def _operation(operation: Mapping[str, Any]) -> str:
    scope = f"scope `{operation['scope']}`" if operation["scope"] else "no token"
    lines = [f"**`{operation['method']} {operation['path']}`** ({scope}) {operation['summary']}"]
    if operation["description"]:
        lines.append(operation["description"].replace("\n", " "))
    given = [*operation["parameters"], *operation["body"]]
    rows = [_row(each) for each in given if each.get("in") != "path"]
    if rows:
        lines.append("\n| name | in | meaning |\n| --- | --- | --- |\n" + "\n".join(rows))
    lines.append(f"\n`{operation['name']}` answers {_told(operation)}.")
    return "\n".join([*lines, ""])


def _told(operation: Mapping[str, Any]) -> str:
    """Return the answers of an operation and the codes of its problems, in one sentence."""
    answers = [_answer(each) for each in operation["answers"]]
    problems = [
        f"{status} {', '.join(f'`{code}`' for code in codes)}"
        for status, codes in operation["problems"].items()
        if codes
    ]
    return "; ".join([*answers, *problems])


def _answer(answer: Mapping[str, str]) -> str:
    said = answer["description"].rstrip(".")
    plain = said.lower() in ("ok", "accepted", "created")
    return answer["status"] if plain else f"{answer['status']} ({_cell(said)})"


def _row(given: Mapping[str, Any]) -> str:
    required = " (required)" if given["required"] else ""
    where = given.get("in", "body")
    return f"| `{given['name']}`{required} | {where} | {_cell(given['description'])} |"


def providers() -> Mapping[str, Provider]:
    """Return the providers that come with Fraisier."""
    return load_providers(TOP, {})


PARTS: dict[str, Callable[[], str]] = {
    "operations": operations,
    "commands": commands,
    "keys": keys,
    "provider-keys": provider_keys,
    "moves": moves,
}


def documents() -> dict[Path, str]:
    """Return the full new text of every document that has a generated part, by file."""
    texts = {path: path.read_text() for path in sorted((TOP / "docs").rglob("*.md"))}
    return {path: filled(text) for path, text in texts.items() if PART.search(text)}


def filled(text: str) -> str:
    """Return a document with its generated parts as they must be now."""
    return PART.sub(
        lambda found: f"{found[1]}\n{PARTS[found['name']]().strip()}\n\n{found[3]}", text
    )


def main() -> None:
    """Write every document that changed, and say which."""
    for path, text in documents().items():
        if path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(TOP)}")


def _below(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield f"### {inner.command_path}\n"
        yield f"{_sentence(command)}\n"
        yield f"```text\n{_usage(inner)}\n```\n"
        if options := _options(command, inner):
            yield options
        if isinstance(command, click.Group):
            yield from _below(command, inner)


def _usage(context: click.Context) -> str:
    return context.get_usage().removeprefix("Usage: ").replace("\n", " ")


def _sentence(command: click.Command) -> str:
    return " ".join((command.help or "").split())


def _options(command: click.Command, context: click.Context) -> str:
    options = [each for each in command.params if isinstance(each, click.Option)]
    rows = [f"| `{_names(option)}` | {_help(option, context)} |" for option in options]
    return "\n".join(["| option | meaning |", "| --- | --- |", *rows, ""]) if rows else ""


def _names(option: click.Option) -> str:
    value = "" if option.is_flag or option.count else f" {_value(option)}"
    return ", ".join(option.opts) + value


def _value(option: click.Option) -> str:
    if option.metavar:
        return option.metavar
    if isinstance(option.type, click.Choice):
        return "WORD"
    return "NUMBER" if isinstance(option.type, click.types.IntParamType) else "TEXT"


def _help(option: click.Option, context: click.Context) -> str:
    words = option.type.choices if isinstance(option.type, click.Choice) else ()
    choices = f" One of {', '.join(f'`{word}`' for word in words)}." if words else ""
    shown = option.get_default(context, call=False) if option.show_default else None
    default = "" if shown is None else f" Default: `{shown}`."
    required = " Required." if option.required else ""
    return f"{_cell(option.help or '')}{choices}{default}{required}"


def _table(found: Any) -> str:
    rows = [f"| `{path}` | {_default(default)} | {_cell(said)} |" for path, said, default in found]
    return "\n".join(["| key | default | meaning |", "| --- | --- | --- |", *rows, ""])


def _default(value: Any) -> str:
    if value is None or value == "":
        return ""
    word = str(value).lower() if isinstance(value, bool) else value
    return f"`{word}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
